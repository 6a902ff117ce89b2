"""What every store promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tcs_events.database.problems import Problem
from tcs_events.errors import EventInvalid, StoreUnavailable
from tcs_events.event import Outcome, Record

Result = Outcome | EventInvalid | StoreUnavailable
"""How one record ended.

ACCEPTED, DUPLICATE, an `EventInvalid` if the record can never be stored, or a `StoreUnavailable` if
it can be stored once the database is repaired.
"""


@dataclass(frozen=True, slots=True)
class State:
    """The state of this process's commits. Times are `monotonic()` seconds, -inf for never."""

    waiting_events: int
    waiting_bytes: int
    writing: int
    """The number of groups that are being written now."""
    is_failing: bool
    """Whether the last commit failed."""
    succeeded_at: float
    failed_at: float


class Store(Protocol):
    """A place that keeps records. A record is an event, or the owner of a session."""

    def append(self, records: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        """Store the records. Accepted records are durable when this returns.

        Returns one result for each record, in the same order. DUPLICATE means that the id is
        already stored, or came earlier in `records`; the first record is kept. A record that the
        store refuses does not affect the others: its result is an `EventInvalid`, or a
        `StoreUnavailable` if a constraint or a column of the table is wrong. An empty list returns
        an empty list.

        Args:
            records: what to store.
            size_bytes: the length of the request body. It counts towards the limit on waiting
                bytes.

        Raises:
            TableMissing: the database has no such table.
            StoreUnavailable: the database is down, hung, locked or full, or too much is waiting.
                No record is acknowledged. A retry with the same id is stored once.
        """

    def state(self) -> State:
        """Return what waits in this process, and how its last commits ended."""

    def problem(self) -> Problem | None:
        """Return a problem that shows without a write, such as a deleted file. Else None."""

    @property
    def trouble(self) -> StoreUnavailable | None:
        """The error of the last records. None if they were stored."""

    def close(self) -> None:
        """Close all connections. The next record opens new ones."""
