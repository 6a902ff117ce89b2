"""Finds the days that must be counted: those that have changed since they were last counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.days import COUNTED_FROM, COUNTED_UNTIL, date_in
from tcs_events.counts.days import day as day_of
from tcs_events.counts.events import event_types
from tcs_events.counts.facts import LOOK_AHEAD
from tcs_events.database.streaming import stream
from tcs_events.models import UserEvent

MAX_SESSIONS = 50_000
"""The most sessions with new events that are kept in memory, for each day."""
MAX_SESSIONS_OF_ALL = 500_000
"""The most of them for all days together: an import may bring years of events at once."""


def touched_by(zone: ZoneInfo, at: datetime) -> set[date]:
    """Return the days whose counts depend on an event at this time.

    An event just after midnight also tells how the last queries of the day before ended.
    """
    return {date_in(zone, at), date_in(zone, at - LOOK_AHEAD)}


@dataclass(slots=True)
class NewOfDay:
    """What is new on a day."""

    events: int = 0
    sessions: set[str] = field(default_factory=set)
    """The sessions of these events, as far as they are kept in memory."""
    is_complete: bool = True
    """Whether all these sessions are there."""

    def note(self, session_id: str, *, has_room: bool) -> bool:
        """Note an event of a session. Return whether one more session is kept in memory."""
        self.events += 1
        if session_id in self.sessions:
            return False
        if not has_room or len(self.sessions) >= MAX_SESSIONS:
            self.is_complete = False
            return False
        self.sessions.add(session_id)
        return True


def days_of_new_events(
    connection: Connection, zone: ZoneInfo, above_id: int
) -> dict[date, NewOfDay]:
    """Return the days whose counts depend on the events with ids above `above_id`."""
    changed: dict[date, NewOfDay] = defaultdict(NewOfDay)
    new = select(UserEvent.session_id, UserEvent.created_at).where(
        UserEvent.id > above_id, UserEvent.created_at.between(COUNTED_FROM, COUNTED_UNTIL)
    )
    sessions = 0
    with stream(connection, new) as rows:
        for session_id, at in rows:
            for day in touched_by(zone, at):
                has_room = sessions < MAX_SESSIONS_OF_ALL
                sessions += changed[day].note(session_id, has_room=has_room)
    return changed


def stale_days(connection: Connection) -> set[date]:
    """Return the days that were marked because events of theirs were deleted."""
    return set(connection.scalars(select(tables.days.c.day).where(tables.days.c.is_stale)))


def all_days(connection: Connection, zone: ZoneInfo) -> set[date]:
    """Return every day that has events, or had some when it was counted."""
    days = set(connection.scalars(select(tables.days.c.day)))
    days.update(connection.scalars(select(tables.checks.c.day)))
    # An older version of the package forgets visits, and knows of no visitors.
    of_days = tables.visitors.c.unit == "day"
    days.update(connection.scalars(select(tables.visitors.c.day).where(of_days).distinct()))
    for event_type in event_types(connection):
        for at in _first_of_each_day(connection, zone, event_type):
            days |= touched_by(zone, at)
    return days


def _first_of_each_day(
    connection: Connection, zone: ZoneInfo, event_type: str
) -> Iterator[datetime]:
    """Yield the time of the first event of each day that has events, by one look at the index each.

    Days without events cost nothing. That matters if a wrong clock has put one event into 1970.
    """
    start = COUNTED_FROM
    while True:
        at = connection.scalar(
            select(sa.func.min(UserEvent.created_at)).where(
                UserEvent.event_type == event_type,
                UserEvent.created_at.between(start, COUNTED_UNTIL),
            )
        )
        if at is None:
            return
        yield at
        start = day_of(date_in(zone, at), zone).end
