"""What became of the events: counts, health and the log."""
