"""Reads the stored events for counting, through the index and without having all in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts.facts import Seen
from tcs_events.counts.shares import Share, is_in_share
from tcs_events.counts.time_limit import in_time
from tcs_events.database.schemas import has_table
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.models import UserEvent, UserEventBotSession
from tcs_events.strict_json import loads

MAX_NESTING = 100
"""The most levels of a payload that is read. The endpoint accepts 32."""

StoredEvent = tuple[str, str, dict[str, Any], datetime]
"""The session id, the event type, the payload and the time of an event."""


class StoredRow(NamedTuple):
    """An event as it is stored, also of a session that is marked as a crawler."""

    session_id: str
    id: int
    event_type: str
    json: str | None
    """The text of its payload."""
    at: datetime
    is_marked: bool

    def seen(self) -> Seen:
        """Return the event as it is counted."""
        return Seen(self.event_type, payload_of(self.json), self.at)


def event_types(connection: Connection) -> list[str]:
    """Return the stored event types, sorted by the database.

    Each takes one look at the index. DISTINCT would read all rows.
    """
    types: list[str] = []
    event_type = connection.scalar(select(sa.func.min(UserEvent.event_type)))
    while event_type is not None:
        types.append(event_type)
        event_type = connection.scalar(
            select(sa.func.min(UserEvent.event_type)).where(UserEvent.event_type > event_type)
        )
    return types


@contextmanager
def events_between(
    connection: Connection,
    start: datetime,
    end: datetime,
    types: Collection[str],
    sessions: Collection[str] | None = None,
) -> Iterator[Iterator[StoredEvent]]:
    """Yield an iterator over the events from `start` to `end`, exclusive.

    Events come session by session, each session's oldest first, and are not all in memory at once.
    Events of sessions that are marked as crawlers are left out.

    The query is closed when the block ends. On SQLite an unfinished query would keep an old
    snapshot, and the connection could then not write after others have written.

    Args:
        connection: to the events.
        start: the earliest time, inclusive.
        end: the latest time, exclusive.
        types: the event types to read.
        sessions: at most a few hundred session ids, or None for all sessions.

    Raises:
        OutOfTime: the connection has a time limit, and it is over.
    """
    if sessions is None:
        wanted = [UserEvent.event_type.in_(types)]  # the index begins with it
    else:
        # With a plain column SQLite would take that index, and read all sessions for each batch.
        event_type = sa.func.coalesce(UserEvent.event_type, "")
        wanted = [UserEvent.session_id.in_(sessions), event_type.in_(types)]
    query = _in_order(start, end, *wanted, *not_of_a_bot(connection))
    with stream(connection, query) as rows:
        # Check before each event: one may be as long as a request body, and slow to count.
        timed_rows = in_time(connection, chain.from_iterable(rows.partitions()))
        yield (
            (session_id, event_type, payload_of(text), at)
            for session_id, _, event_type, text, at in timed_rows
        )


@contextmanager
def rows_between(
    connection: Connection,
    start: datetime,
    end: datetime,
    *,
    types: Collection[str] | None = None,
    sessions: Collection[str] | None = None,
    share: Share | None = None,
) -> Iterator[Iterator[StoredRow]]:
    """Yield an iterator over the stored rows from `start` to `end`, exclusive.

    It is like `events_between`, but has the events of marked sessions, too. Give `types` to read
    the events of all sessions, and `sessions` alone to read those of a few: each has an index.
    `share` is the share of the sessions to read.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    if types is not None:
        conditions.append(UserEvent.event_type.in_(types))
    if sessions is not None:
        conditions.append(UserEvent.session_id.in_(sessions))
    if share is not None:
        session_id = UserEvent.__table__.c.session_id
        conditions.append(is_in_share(connection.dialect.name, session_id, share))
    not_marked = not_of_a_bot(connection)
    is_marked = ~sa.and_(*not_marked) if not_marked else sa.false()
    query = _in_order(start, end, *conditions).add_columns(is_marked)
    with stream(connection, query) as rows:
        timed_rows = in_time(connection, chain.from_iterable(rows.partitions()))
        yield (StoredRow(*row) for row in timed_rows)


def _in_order(
    start: datetime, end: datetime, *conditions: sa.ColumnElement[bool]
) -> sa.Select[str, int, str, str, datetime]:
    return (
        select(
            UserEvent.session_id,
            UserEvent.id,
            UserEvent.event_type,
            text_of_json(UserEvent.__table__.c.payload),
            UserEvent.created_at,
        )
        .where(UserEvent.created_at >= start, UserEvent.created_at < end, *conditions)
        .order_by(UserEvent.session_id, UserEvent.created_at, UserEvent.id)
    )


def sessions_of(events: Iterable[StoredEvent]) -> Iterator[tuple[str, Iterator[Seen]]]:
    """Yield each session's id and its events.

    The events come from an iterator, not a list: one session may have sent most of them.
    """
    for session_id, session in groupby(events, key=itemgetter(0)):
        yield session_id, (Seen(*event[1:]) for event in session)


def sessions_of_rows(rows: Iterable[StoredRow]) -> Iterator[tuple[str, Iterator[Seen]]]:
    """Yield each session's id and its events, as `sessions_of` does."""
    for session_id, session in groupby(rows, key=itemgetter(0)):
        yield session_id, (row.seen() for row in session)


def payload_of(text: str | None) -> dict[str, Any]:
    """Return the payload from its JSON text, an empty dict if the text is not a JSON object.

    The endpoint only stores objects, but the host's own code may have stored anything. One such row
    must not stop the counting. So objects that are nested very deeply are not read, either: what
    works on values calls itself for each level.
    """
    try:
        payload = None if text is None else loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(payload, dict) or (text and _is_too_deep(text, payload)):
        return {}
    return payload


def _is_too_deep(text: str, payload: object) -> bool:
    if text.count("[") + text.count("{") <= MAX_NESTING:  # almost always, and much faster
        return False
    level = [payload]
    for _ in range(MAX_NESTING):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def not_of_a_bot(connection: Connection) -> list[sa.ColumnElement[bool]]:
    """Return the condition that leaves out marked sessions, an empty list if there are none.

    If a session is marked after this query, its events also come later, and its day is counted
    again.
    """
    if not has_table(connection, UserEventBotSession.__table__):
        return []
    if connection.execute(select(UserEventBotSession.id).limit(1)).first() is None:
        return []
    marked = select(UserEventBotSession.id).where(
        UserEventBotSession.session_id == UserEvent.session_id
    )
    return [~marked.exists()]
