"""A small expert marketplace that uses tcs_events: `python -m tcs_events.demo`."""

from tcs_events.demo.app import create_app

__all__ = ["create_app"]
