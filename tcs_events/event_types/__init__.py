"""What may happen: the envelope of an event, and the schemas of payloads."""
