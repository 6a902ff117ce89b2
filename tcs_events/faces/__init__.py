"""How the outside speaks to us: the Flask blueprint, the WSGI middleware, the tracker script, metrics."""
