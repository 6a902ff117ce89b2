"""What every store promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tcs_events.errors import EventInvalid
from tcs_events.event import Event, Outcome

Result = Outcome | EventInvalid
"""How one event ended: ACCEPTED, DUPLICATE, or the reason why it can never be stored."""


class Store(Protocol):
    """A place that keeps events."""

    def append(self, events: Sequence[Event], size_bytes: int = 0) -> list[Result]:
        """Keep the events; those that are accepted are durable when this returns.

        `size_bytes` is the length of the body they came in, for the bound of what waits.

        Returns one result per event, in their order. An `event_id` that is stored already, or came
        earlier in `events`, gives DUPLICATE: the first one stands. An event that the store cannot
        take fails alone, as an `EventInvalid` in its place. No events give an empty list.

        Raises:
            TableMissing: there is no table to keep them in.
            StoreUnavailable: not now (down, hung, locked, full, too much waiting). None is
                acknowledged; a repeat with the same `event_id` is stored once.
        """
