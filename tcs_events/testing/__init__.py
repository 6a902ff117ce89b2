"""The test kit for hosts: what an app records during a test."""

from tcs_events.testing.tracked import Rejected, Tracked

__all__ = ["Rejected", "Tracked"]
