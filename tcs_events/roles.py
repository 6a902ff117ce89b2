"""Roles of event types: what they mean for the reports."""

from tcs_events.event_types.roles import Click, FilterChange, Impression, Role, Search

__all__ = ["Click", "FilterChange", "Impression", "Role", "Search"]
