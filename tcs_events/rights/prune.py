"""Deletes what is older than it needs to be.

An event's age is that of `created_at`, when it happened. `received_at` is at most seven days later
and never earlier, so that no client can make an event stay for longer by what it says of its age;
reports end at one moment, and there is an index that begins with the type.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.counts.events import event_types
from tcs_events.models import UserEvent
from tcs_events.rights.deleting import Deleter, Rows
from tcs_events.rights.places import BOT_SESSIONS, EVENTS, IDENTITIES, PLACES, REJECTIONS, Place

LEFT_BEHIND = (BOT_SESSIONS, IDENTITIES)
"""Places whose rows say something of a session, and nothing once it has no event."""


def count_older(engine: Engine, before: datetime) -> int:
    """Return how many events happened before a moment."""
    with engine.connect() as connection:
        return sum(
            connection.scalar(
                select(sa.func.count()).select_from(UserEvent).where(*_older(event_type, before))
            )
            or 0
            for event_type in event_types(connection)
        )


def count_prunable(engine: Engine, before: datetime) -> dict[str, int]:
    """Return how much there is to prune, by the name of the place."""
    counts = {EVENTS.name: count_older(engine, before)}
    for place in (REJECTIONS, *LEFT_BEHIND):
        query = select(sa.func.count()).select_from(place.table).where(place.time_column < before)
        if place in LEFT_BEHIND:
            query = query.where(
                ~sa.exists().where(
                    UserEvent.session_id == place.session_column, UserEvent.created_at >= before
                )
            )
        with engine.connect() as connection:
            counts[place.name] = connection.scalar(query) or 0
    return {place.name: counts[place.name] for place in PLACES}


def prune(engine: Engine, deleter: Deleter, before: datetime) -> None:
    """Delete the events that happened before a moment, and then what they leave behind.

    That is identities and marks of crawlers older than it whose session has no event any more.
    Refused events go when they came in before it.
    """
    with engine.connect() as connection:
        types = event_types(connection)
    for event_type in types:
        deleter.delete(EVENTS, _OlderEvents(event_type, before))
    deleter.delete(REJECTIONS, _Older(REJECTIONS, before))
    for place in LEFT_BEHIND:
        deleter.delete(place, _LeftBehind(place, before))


def _older(event_type: str, before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return UserEvent.event_type == event_type, UserEvent.created_at < before


class _OlderEvents:
    """Finds the events of a type, oldest first."""

    def __init__(self, event_type: str, before: datetime) -> None:
        self._conditions = _older(event_type, before)
        self._since: datetime | None = None

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        query = select(EVENTS.key(connection), UserEvent.created_at).where(*self._conditions)
        if self._since is not None:
            # PostgreSQL keeps what was deleted in its index for a while, and would have to step
            # over all of it each time.
            query = query.where(UserEvent.created_at >= self._since)
        rows = connection.execute(query.order_by(UserEvent.created_at).limit(limit)).all()
        if rows:
            self._since = rows[-1].created_at
        elif self._since is None:
            return None
        else:
            self._since = None  # once more from the beginning: late ones have come meanwhile
        return rows


class _Older:
    """Finds the rows of a small place."""

    def __init__(self, place: Place, before: datetime) -> None:
        self._place = place
        self._before = before

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        place = self._place
        query = select(place.key(connection)).where(place.time_column < self._before)
        return connection.execute(query.limit(limit)).all() or None


class _LeftBehind:
    """Finds rows whose session has no events, by looking at so many rows at a time."""

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
        looked_at = connection.execute(query).all()
        if not looked_at:
            return None
        self._after_id = looked_at[-1].id
        # An event that is being stored at this very moment is not seen yet: it stays, as that of
        # somebody who is not known.
        return [row for row in looked_at if row.at < self._before and not row.is_busy]
