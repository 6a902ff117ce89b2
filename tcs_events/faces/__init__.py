"""How the outside speaks to us: blueprint, WSGI middleware, tracker script, metrics."""
