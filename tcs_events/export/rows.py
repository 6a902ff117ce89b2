"""Reads the events to export, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.database.stored_json import read_columns
from tcs_events.database.streaming import stream
from tcs_events.models import UserEvent


class Row(NamedTuple):
    """A stored event. The fields are the columns of `user_events`; both times are in UTC."""

    id: int
    event_id: UUID
    session_id: str
    event_type: str
    payload: dict[str, Any]
    email: str | None
    created_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events to export. The default is all."""

    start: datetime | None = None
    """The earliest time of an event, inclusive; None for no limit."""
    end: datetime | None = None
    """The latest time of an event, exclusive; None for no limit."""
    types: Sequence[str] = ()
    """The event types; empty for all."""

    def condition(self) -> sa.ColumnElement[bool]:
        """Return the selection as an SQL condition."""
        conditions: list[sa.ColumnElement[bool]] = [sa.true()]
        if self.start is not None:
            conditions.append(UserEvent.created_at >= self.start)
        if self.end is not None:
            conditions.append(UserEvent.created_at < self.end)
        if self.types:
            conditions.append(UserEvent.event_type.in_(self.types))
        return sa.and_(*conditions)


def count_rows(connection: Connection, selection: Selection) -> int:
    """Return the number of events to export."""
    query = sa.select(sa.func.count()).select_from(UserEvent).where(selection.condition())
    return connection.scalar(query) or 0


def read_rows(connection: Connection, selection: Selection) -> Iterator[list[Row]]:
    """Give the events in batches, in the order of their ids, as they were when reading began.

    They are never all in memory.
    """
    query = (
        sa.select(*read_columns(UserEvent.__table__, Row._fields))
        .where(selection.condition())
        .order_by(UserEvent.id)
    )
    with stream(connection, query) as rows:
        for batch in rows.partitions():
            yield [Row(*row) for row in batch]
