"""What every store promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tcs_events.errors import EventInvalid, StoreUnavailable
from tcs_events.event import Outcome, Record

Result = Outcome | EventInvalid | StoreUnavailable
"""How one record ended: ACCEPTED, DUPLICATE, or the reason why it can never be stored, or cannot be
until the database is mended."""


class Store(Protocol):
    """A place that keeps records: events, or who a session belongs to."""

    def append(self, records: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        """Keep the records; those that are accepted are durable when this returns.

        `size_bytes` is the length of the body they came in, for the bound of what waits.

        Returns one result per record, in their order. An id that is stored already, or came earlier
        in `records`, gives DUPLICATE: the first one stands. A record that the store cannot take
        fails alone, as an `EventInvalid` in its place, or a `StoreUnavailable` where a constraint
        or a column of the database keeps out what it should take. No records give an empty list.

        Raises:
            TableMissing: there is no table to keep them in.
            StoreUnavailable: not now (down, hung, locked, full, too much waiting). None is
                acknowledged; a repeat with the same id is stored once.
        """
