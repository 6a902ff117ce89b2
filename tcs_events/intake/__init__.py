"""Decides which events are accepted: from the bytes of a body to the event that is stored."""
