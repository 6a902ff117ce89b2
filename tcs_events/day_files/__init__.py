"""Closed days as files: their events with a column for each property, for questions about them."""
