"""The words for an item on the hosts of the tests."""

from __future__ import annotations

from tcs_events.event_types.words import Words

OF_EXPERTS = Words("expert", "experts", has_old_names=True)
"""Those of the marketplace, whose event types are accepted unless a host declares others."""
OF_ROOMS = Words("room", "rooms")
