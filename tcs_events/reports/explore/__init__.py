"""Explore: the events of one type, split by a property."""
