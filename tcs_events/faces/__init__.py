"""How the outside world reaches us: blueprint, WSGI middleware, tracker script, metrics."""
