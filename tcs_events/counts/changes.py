"""Finds the days that must be counted: those that have changed since they were last counted."""

from __future__ import annotations

from collections.abc import Iterator
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


def touched_by(zone: ZoneInfo, at: datetime) -> set[date]:
    """Return the days whose counts depend on an event at this time.

    An event just after midnight also tells how the last queries of the day before ended.
    """
    return {date_in(zone, at), date_in(zone, at - LOOK_AHEAD)}


def days_of_new_events(connection: Connection, zone: ZoneInfo, above_id: int) -> set[date]:
    """Return the days whose counts depend on the events with ids above `above_id`."""
    changed: set[date] = set()
    new = select(UserEvent.created_at).where(
        UserEvent.id > above_id, UserEvent.created_at.between(COUNTED_FROM, COUNTED_UNTIL)
    )
    with stream(connection, new) as rows:
        for at in rows.scalars():
            changed |= touched_by(zone, at)
    return changed


def stale_days(connection: Connection) -> set[date]:
    """Return the days that were marked because events of theirs were deleted."""
    return set(connection.scalars(select(tables.days.c.day).where(tables.days.c.is_stale)))


def all_days(connection: Connection, zone: ZoneInfo) -> set[date]:
    """Return every day that has events, or had some when it was counted."""
    days = set(connection.scalars(select(tables.days.c.day)))
    days.update(connection.scalars(select(tables.checks.c.day)))
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
