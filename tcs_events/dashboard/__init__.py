"""Pages over the reports, for whoever the host lets in."""

from tcs_events.dashboard.blueprint import create_dashboard

__all__ = ["create_dashboard"]
