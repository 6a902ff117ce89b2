"""What every store promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tcs_events.event import Event, Outcome


class Store(Protocol):
    """A place that keeps events."""

    def append(self, events: Sequence[Event]) -> list[Outcome]:
        """Keep the events, all of them or none; they are durable when this returns.

        Returns one outcome per event, in their order: ACCEPTED, or DUPLICATE for an `event_id` that
        is stored already or came earlier in `events`. An empty list gives an empty list.

        Raises:
            EventInvalid: the store can never take these values.
            TableMissing: there is no table to keep them in.
            StoreUnavailable: not now (down, locked, full, out of connections); none was kept.
        """
