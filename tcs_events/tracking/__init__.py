"""How the host's own Python speaks to us."""
