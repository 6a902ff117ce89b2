"""Reads the newest rows of a table, and those that are added."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from tcs_events.database.stored_json import read_columns
from tcs_events.host.reports import current_reports
from tcs_events.models import UserEvent, UserEventRejection

LATE_SECONDS = 5.0
"""How long a row may become visible after one with a higher id: its insert commits by then."""
IDS_IN_FLIGHT = 1_000
"""How far below the newest id a row may still be in an open transaction when we start."""


class Numbered(Protocol):
    """A row with an id."""

    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=Numbered)


class Newest(Generic[Row]):
    """Reads each row of a table once, in the order in which rows become visible.

    Ids alone do not give that order: a row with a lower id may be committed later.

    Args:
        model: the table.
        row: makes what is returned of the values of each row.
        columns: the names of the columns of these values.
        types: the event types whose rows are read. None is all.
    """

    def __init__(
        self,
        model: type[UserEvent] | type[UserEventRejection],
        row: Callable[..., Row],
        columns: Sequence[str],
        types: Sequence[str] = (),
    ) -> None:
        self._id: Any = model.id
        self._row = row
        selected = read_columns(model.__table__, columns)
        of_types = model.event_type.in_(types) if types else sa.true()
        self._query = sa.select(*selected).where(of_types)
        self._polls: deque[tuple[float, int]] = deque()
        """Each poll's time, and the id up to which all rows are visible `LATE_SECONDS` later."""
        self._read: set[int] = set()
        """The ids that were read, above the id of the oldest poll."""

    def first(self, limit: int) -> list[Row]:
        """Return the newest rows, oldest first. `more` goes on from here."""
        with current_reports().without_limit() as connection:
            newest_id = self._newest_id(connection)
            above = newest_id - IDS_IN_FLIGHT
            # Rows that are visible now must not be printed as new later, even if not printed now.
            visible_ids = connection.scalars(sa.select(self._id).where(self._id > above))
            self._read = set(visible_ids)
            query = self._query.order_by(self._id.desc()).limit(limit)
            rows = [self._row(*row) for row in connection.execute(query)]
        self._read |= {row.id for row in rows}
        self._polls.extend([(time.monotonic(), above), (time.monotonic(), newest_id)])
        return rows[::-1]

    def more(self) -> list[Row]:
        """Return the rows that have become visible since the last call, by id."""
        now = time.monotonic()
        while len(self._polls) > 1 and now - self._polls[1][0] > LATE_SECONDS:
            self._polls.popleft()
        above = self._polls[0][1]
        with current_reports().without_limit() as connection:
            self._polls.append((now, self._newest_id(connection)))
            query = self._query.where(self._id > above).order_by(self._id)
            rows = [self._row(*row) for row in connection.execute(query)]
        new = [row for row in rows if row.id not in self._read]
        self._read = {row_id for row_id in self._read if row_id > above}
        self._read |= {row.id for row in new}
        return new

    def _newest_id(self, connection: sa.Connection) -> int:
        return connection.scalar(sa.select(sa.func.max(self._id))) or 0
