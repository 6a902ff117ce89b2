"""Deletes what is older than it needs to be.

An event's age is that of `created_at`, when it happened. `received_at` is at most seven days later
and never earlier, so that no client can make an event stay for longer by what it says of its age;
reports end at one moment, and there is an index that begins with the type.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.models import UserEvent, UserEventIdentity
from tcs_events.rights.deleting import Deleter, Rows
from tcs_events.rights.places import EVENTS, IDENTITIES
from tcs_events.rollups.events import event_types


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


def count_lonely_identities(engine: Engine, before: datetime) -> int:
    """Return how many identities are older than a moment and have no event that is not."""
    has_events = sa.exists().where(
        UserEvent.session_id == UserEventIdentity.session_id, UserEvent.created_at >= before
    )
    with engine.connect() as connection:
        query = select(sa.func.count()).select_from(UserEventIdentity)
        return (
            connection.scalar(query.where(UserEventIdentity.created_at < before, ~has_events)) or 0
        )


def prune(engine: Engine, deleter: Deleter, before: datetime) -> None:
    """Delete the events that happened before a moment, and then what they leave behind.

    That is identities older than it whose session has no event any more.
    """
    with engine.connect() as connection:
        types = event_types(connection)
    for event_type in types:
        deleter.delete(EVENTS, _OlderEvents(event_type, before))
    deleter.delete(IDENTITIES, _LonelyIdentities(before))


def _older(event_type: str, before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return UserEvent.event_type == event_type, UserEvent.created_at < before


class _OlderEvents:
    """Finds the events of a type, oldest first."""

    def __init__(self, event_type: str, before: datetime) -> None:
        self._conditions = _older(event_type, before)
        self._since: datetime | None = None

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        query = select(UserEvent.id, UserEvent.created_at).where(*self._conditions)
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


class _LonelyIdentities:
    """Finds identities without events, by looking at so many identities at a time."""

    def __init__(self, before: datetime) -> None:
        self._before = before
        self._after_id = 0

    def __call__(self, connection: Connection, limit: int) -> Rows | None:
        has_events = sa.exists().where(UserEvent.session_id == UserEventIdentity.session_id)
        query = (
            select(UserEventIdentity.id, UserEventIdentity.created_at, has_events.label("is_busy"))
            .where(UserEventIdentity.id > self._after_id)
            .order_by(UserEventIdentity.id)
            .limit(limit)
        )
        looked_at = connection.execute(query).all()
        if not looked_at:
            return None
        self._after_id = looked_at[-1].id
        # An event that is being stored at this very moment is not seen yet, except on SQLite: it
        # stays, as that of somebody who is not known.
        return [row for row in looked_at if row.created_at < self._before and not row.is_busy]
