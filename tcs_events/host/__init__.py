"""What one app has of us: its state, how it is wired up, and where our routes are mounted."""

from tcs_events.host.registration import EXTENSION_KEY, Registration, registration_of

__all__ = ["EXTENSION_KEY", "Registration", "registration_of"]
