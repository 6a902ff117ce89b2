"""The stored events, as those who count them read them: by the index, and not all in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, CursorResult, select

from tcs_events.counts.time_limit import OutOfTime, time_of
from tcs_events.database.stored_json import json_text
from tcs_events.database.streaming import stream
from tcs_events.models import UserEvent, UserEventBotSession
from tcs_events.strict_json import loads

StoredEvent = tuple[str, str, dict[str, Any], datetime]
"""Session, type, payload and time."""


def event_types(connection: Connection) -> list[str]:
    """Return the types there are. Each is one step in the index; DISTINCT would read all rows."""
    found: list[str] = []
    newest = connection.scalar(select(sa.func.min(UserEvent.event_type)))
    while newest is not None:
        found.append(newest)
        newest = connection.scalar(
            select(sa.func.min(UserEvent.event_type)).where(UserEvent.event_type > newest)
        )
    return found


@contextmanager
def events_between(
    connection: Connection,
    start: datetime,
    end: datetime,
    types: Collection[str],
    sessions: Collection[str] | None = None,
) -> Iterator[Iterator[StoredEvent]]:
    """Give the events from `start` until before `end`, of all sessions or of a few hundred.

    They come session by session, each oldest first, and are not all in memory at once. Those of
    crawlers that were marked are left out.

    No more is read after the block, however it ends: on SQLite rows that are still to come would
    keep the connection from writing what others have made old meanwhile.

    Raises:
        OutOfTime: the connection has a limit of time, and it is over.
    """
    query = (
        select(
            UserEvent.session_id,
            UserEvent.event_type,
            json_text(UserEvent.__table__.c.payload),
            UserEvent.created_at,
        )
        .where(
            UserEvent.event_type.in_(types),  # the index begins with it
            UserEvent.created_at >= start,
            UserEvent.created_at < end,
            *_not_of_a_bot(connection),
            *([] if sessions is None else [UserEvent.session_id.in_(sessions)]),
        )
        .order_by(UserEvent.session_id, UserEvent.created_at, UserEvent.id)
    )
    with stream(connection, query) as rows:
        yield _in_time(connection, rows)


def _in_time(
    connection: Connection, rows: CursorResult[str, str, str, datetime]
) -> Iterator[StoredEvent]:
    until = time_of(connection)
    for some in rows.partitions():
        for session_id, event_type, text, at in some:
            # Before each: one event may be as long as a body, and whoever counts it takes time.
            if until is not None and monotonic() > until:
                raise OutOfTime
            yield session_id, event_type, payload_of(text), at


def payload_of(text: str | None) -> dict[str, Any]:
    """Return the payload that a stored text says; an empty one where it says none.

    The endpoint stores objects only. A host's own code may have stored anything, and the rest of
    the events is counted all the same.
    """
    try:
        payload = None if text is None else loads(text)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _not_of_a_bot(connection: Connection) -> list[sa.ColumnElement[bool]]:
    """Return the condition, if there is a marked session at all: else it costs nothing.

    One that is marked after this look has its day counted again, for its events come after it.
    """
    if connection.execute(select(UserEventBotSession.id).limit(1)).first() is None:
        return []
    marked = select(UserEventBotSession.id).where(
        UserEventBotSession.session_id == UserEvent.session_id
    )
    return [~marked.exists()]
