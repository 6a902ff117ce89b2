"""What one visitor did, one thing after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tcs_events.database.stored_json import read_columns
from tcs_events.models import UserEvent, UserEventIdentity
from tcs_events.reports.reading import reading_events, this_registration
from tcs_events.rights.places import EVENTS
from tcs_events.rights.subject import find_subject


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """An event in the order of a visitor's events."""

    at: datetime
    """When it happened, in the time zone of the reports."""
    session_id: str
    event_type: str
    payload: dict[str, Any]
    is_known: bool
    """Whether the visitor had been identified by then."""


def session_timeline(
    session_id: str, limit: int = 500, offset: int | None = None
) -> list[TimelineEvent]:
    """Return the last `limit` events of a session, oldest first.

    With an `offset`, even 0, it is the first `limit` events after skipping so many.
    """
    return _timeline(lambda _: UserEvent.session_id == session_id, limit, offset)


def person_timeline(email: str, limit: int = 500, offset: int | None = None) -> list[TimelineEvent]:
    """Return the last `limit` events of a person, oldest first.

    These are the events that `flask tcs-events forget` would delete: those that carry the address,
    in upper or lower case, and those of the sessions that were linked to it, before and after,
    except events that carry another address. `offset` works as in `session_timeline`.
    """

    def condition(connection: sa.Connection) -> sa.ColumnElement[bool]:
        subject = find_subject(connection, [email], [])
        return sa.or_(sa.false(), *subject.conditions(EVENTS))

    return _timeline(condition, limit, offset)


_COLUMNS = ("created_at", "session_id", "event_type", "payload", "email")


def _timeline(
    condition_on: Callable[[sa.Connection], sa.ColumnElement[bool]],
    limit: int,
    offset: int | None,
) -> list[TimelineEvent]:
    zone = this_registration().settings.timezone
    order = sa.desc if offset is None else sa.asc
    with reading_events() as connection:
        condition = condition_on(connection)
        events = connection.execute(
            sa.select(*read_columns(UserEvent.__table__, _COLUMNS))
            .where(condition)
            .order_by(order(UserEvent.created_at), order(UserEvent.id))
            .limit(limit)
            .offset(offset)
        ).all()
        known = dict(
            connection.execute(
                sa.select(UserEventIdentity.session_id, sa.func.min(UserEventIdentity.created_at))
                .where(UserEventIdentity.session_id.in_({event.session_id for event in events}))
                .group_by(UserEventIdentity.session_id)
            ).all()
        )
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
