"""The reports as web pages, for whom the host allows to read them."""

from tcs_events.dashboard.blueprint import create_dashboard

__all__ = ["create_dashboard"]
