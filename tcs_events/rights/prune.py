"""Deletes old rows.

The age of an event is that of `created_at`, when it happened. Reports go by the same time, and an
index on type and `created_at` finds old events quickly. A client cannot keep an event for longer by
sending a wrong age: `created_at` is never later than `received_at`, and at most 7 days earlier.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.counts.events import event_types
from tcs_events.models import UserEvent
from tcs_events.rights.deleting import Deleter, Rows
from tcs_events.rights.places import (
    BOT_SESSIONS,
    EVENTS,
    IDENTITIES,
    PLACES,
    USERS,
    Place,
    places_in,
)

LEFT_BEHIND = (BOT_SESSIONS, IDENTITIES, USERS)
"""Places whose rows describe a session. They are useless once the session has no events."""


def count_older(engine: Engine, before: datetime) -> int:
    """Return the number of events that happened before a time."""
    with engine.connect() as connection:
        return sum(
            connection.scalar(
                select(sa.func.count()).select_from(UserEvent).where(*_older(event_type, before))
            )
            or 0
            for event_type in event_types(connection)
        )


def count_prunable(engine: Engine, before: datetime) -> dict[str, int]:
    """Return the number of rows that `prune` would delete, by the name of the place."""
    counts = dict.fromkeys((place.name for place in PLACES), 0)
    counts[EVENTS.name] = count_older(engine, before)
    for place in _places_besides_events(engine):
        query = select(sa.func.count()).select_from(place.table).where(place.time_column < before)
        if place in LEFT_BEHIND:
            query = query.where(
                ~sa.exists().where(
                    UserEvent.session_id == place.session_column, UserEvent.created_at >= before
                )
            )
        with engine.connect() as connection:
            counts[place.name] = connection.scalar(query) or 0
    return counts


def prune(engine: Engine, deleter: Deleter, before: datetime) -> None:
    """Delete the events that happened before a time, and the refused events received before it.

    Then deletes the identities, user links and crawler marks from before that time whose session
    has no events left.

    Raises:
        FilesLeft: the rows are deleted, but files of days still have them.
    """
    with engine.connect() as connection:
        types = event_types(connection)
    with deleter.removing_files():
        for event_type in types:
            deleter.delete(EVENTS, _OlderEvents(event_type, before))
        for place in _places_besides_events(engine):
            find = _LeftBehind(place, before) if place in LEFT_BEHIND else _Older(place, before)
            deleter.delete(place, find)


def _places_besides_events(engine: Engine) -> list[Place]:
    with engine.connect() as connection:
        return [place for place in places_in(connection) if place is not EVENTS]


def _older(event_type: str, before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return UserEvent.event_type == event_type, UserEvent.created_at < before


class _OlderEvents:
    """Finds the old events of one type, oldest first."""

    def __init__(self, event_type: str, before: datetime) -> None:
        self._conditions = _older(event_type, before)
        self._since: datetime | None = None

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        query = select(EVENTS.key(connection), UserEvent.created_at).where(*self._conditions)
        if self._since is not None:
            # PostgreSQL keeps deleted rows in the index until VACUUM. Without this condition, each
            # query would step over all of them.
            query = query.where(UserEvent.created_at >= self._since)
        rows = connection.execute(query.order_by(UserEvent.created_at).limit(limit)).all()
        if rows:
            self._since = rows[-1].created_at
        elif self._since is None:
            return None
        else:
            self._since = None  # start again: older events may have been stored meanwhile
        return rows


class _Older:
    """Finds the old rows of a place that is small enough to need no index."""

    def __init__(self, place: Place, before: datetime) -> None:
        self._place = place
        self._before = before

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        place = self._place
        query = select(place.key(connection)).where(place.time_column < self._before)
        return connection.execute(query.limit(limit)).all() or None


class _LeftBehind:
    """Finds old rows whose session has no events. Looks at all rows in the order of their ids."""

    def __init__(self, place: Place, before: datetime) -> None:
        self._place = place
        self._before = before
        self._after_id = 0

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        place = self._place
        has_events = sa.exists().where(UserEvent.session_id == place.session_column)
        query = (
            select(
                place.key(connection).label("key"),
                place.id.label("id"),
                place.time_column.label("at"),
                has_events.label("is_busy"),
            )
            .where(place.id > self._after_id)
            .order_by(place.id)
            .limit(limit)
        )
        rows = connection.execute(query).all()
        if not rows:
            return None
        self._after_id = rows[-1].id
        # An event that is being stored right now is not visible yet. It is kept, but its session
        # may lose its identity.
        return [row for row in rows if row.at < self._before and not row.is_busy]
