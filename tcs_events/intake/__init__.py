"""What happened, and do we believe it: from the bytes of a body to the event that is stored."""
