"""Event types: the fields that all events share, and the schemas of payloads."""
