"""The events to export, a few thousand at a time."""

from __future__ import annotations

import json
import math
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
    """Which events to export: all of them, unless something is set."""

    start: datetime | None = None
    """Those that happened at this time or later,"""
    end: datetime | None = None
    """and before this one."""
    types: Sequence[str] = ()

    def condition(self) -> sa.ColumnElement[bool]:
        """Return it as SQL."""
        conditions: list[sa.ColumnElement[bool]] = [sa.true()]
        if self.start is not None:
            conditions.append(UserEvent.created_at >= self.start)
        if self.end is not None:
            conditions.append(UserEvent.created_at < self.end)
        if self.types:
            conditions.append(UserEvent.event_type.in_(self.types))
        return sa.and_(*conditions)


def count_rows(connection: Connection, selection: Selection) -> int:
    """Return how many events there are to export."""
    query = sa.select(sa.func.count()).select_from(UserEvent).where(selection.condition())
    return connection.scalar(query) or 0


def read_rows(connection: Connection, selection: Selection) -> Iterator[list[Row]]:
    """Give the events in the order they were stored, as they were when the reading began.

    They are not all in memory at once.
    """
    query = (
        sa.select(*read_columns(UserEvent.__table__, Row._fields))
        .where(selection.condition())
        .order_by(UserEvent.id)
    )
    with stream(connection, query) as rows:
        for some in rows.partitions():
            yield [Row(*row) for row in some]


def strict_json(value: object) -> str:
    """Return JSON that every reader takes: in UTF-8 where it can be, and with null for NaN."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return strict_json(_without_nan(value))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which UTF-8 does not have
        return json.dumps(value)
    return text


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
