"""What one visitor did, event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tcs_events.database.stored_json import read_columns
from tcs_events.models import UserEvent, UserEventIdentity, UserEventUser
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.reading import Reading
from tcs_events.rights.places import EVENTS, USERS, places_in
from tcs_events.rights.subject import find_subject


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """An event of one visitor."""

    at: datetime
    """When it happened, in the time zone of the reports."""
    session_id: str
    event_type: str
    payload: dict[str, Any]
    is_known: bool
    """Whether the visitor's e-mail address or user id was known by then."""


TIMELINE_COLUMNS: Columns = (
    Column("at", "When", "when it happened", "moment"),
    Column("session_id", "Session", "the session that sent it"),
    Column("event_type", "Event type", "the type of the event"),
    Column("payload", "Payload", "the data that was sent with it"),
    Column("is_known", "Known", "whether the visitor was known by then"),
)


def session_timeline(
    reading: Reading, session_id: str, limit: int = 500, offset: int | None = None
) -> list[TimelineEvent]:
    """Return the last `limit` events of a session, oldest first.

    With an `offset`, even 0, the first `limit` events after skipping that many.
    """
    return _timeline(reading, lambda _: UserEvent.session_id == session_id, limit, offset)


def person_timeline(
    reading: Reading, email: str, limit: int = 500, offset: int | None = None
) -> list[TimelineEvent]:
    """Return the last `limit` events of a person, before and after being known, oldest first.

    These are the events that `forget` would delete: those with the address, in any spelling, and
    those of sessions linked to it, except events with another address. `offset` is used as in
    `session_timeline`.
    """
    return _person_timeline(reading, limit, offset, addresses=[email])


def user_timeline(
    reading: Reading, user_id: str, limit: int = 500, offset: int | None = None
) -> list[TimelineEvent]:
    """Return the last `limit` events of a logged-in user, before and after being known.

    They are in the order of `person_timeline`. These are the events that `forget` would delete:
    those of sessions linked to the id, and those of the address that was given together with it,
    except events with another address. Upper and lower case differ. `offset` is used as in
    `session_timeline`.
    """
    return _person_timeline(reading, limit, offset, user_ids=[user_id])


def _person_timeline(
    reading: Reading,
    limit: int,
    offset: int | None,
    *,
    addresses: Sequence[str] = (),
    user_ids: Sequence[str] = (),
) -> list[TimelineEvent]:
    def condition(connection: sa.Connection) -> sa.ColumnElement[bool]:
        subject = find_subject(connection, addresses, [], user_ids)
        return sa.or_(sa.false(), *subject.conditions(EVENTS))

    return _timeline(reading, condition, limit, offset)


_COLUMNS = ("created_at", "session_id", "event_type", "payload", "email")


def _timeline(
    reading: Reading,
    condition_on: Callable[[sa.Connection], sa.ColumnElement[bool]],
    limit: int,
    offset: int | None,
) -> list[TimelineEvent]:
    zone = reading.zone
    order = sa.desc if offset is None else sa.asc
    with reading.events() as connection:
        condition = condition_on(connection)
        events = connection.execute(
            sa.select(*read_columns(UserEvent.__table__, _COLUMNS))
            .where(condition)
            .order_by(order(UserEvent.created_at), order(UserEvent.id))
            .limit(limit)
            .offset(offset)
        ).all()
        known = known_since(connection, {event.session_id for event in events})
    return [
        TimelineEvent(
            event.created_at.astimezone(zone),
            event.session_id,
            event.event_type,
            event.payload,
            event.email is not None
            or (event.session_id in known and known[event.session_id] <= event.created_at),
        )
        for event in (reversed(events) if offset is None else events)
    ]


def known_since(connection: sa.Connection, sessions: Iterable[str]) -> dict[str, datetime]:
    """Return the time of the first link of each session to an address or a user id."""
    known: dict[str, datetime] = {}
    links: list[type[UserEventIdentity] | type[UserEventUser]] = [UserEventIdentity]
    if USERS in places_in(connection):
        links.append(UserEventUser)
    for link in links:
        first = (
            sa.select(link.session_id, sa.func.min(link.created_at))
            .where(link.session_id.in_(sessions))
            .group_by(link.session_id)
        )
        for session_id, at in connection.execute(first):
            known[session_id] = min(at, known.get(session_id, at))
    return known
