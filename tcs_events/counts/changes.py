"""Which days have to be counted: those that something happened to since they were counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.days import COUNTED_FROM, COUNTED_UNTIL, date_in, day
from tcs_events.counts.events import event_types
from tcs_events.counts.facts import LOOK_AHEAD
from tcs_events.database.streaming import stream
from tcs_events.models import UserEvent


def touched_by(zone: ZoneInfo, at: datetime) -> set[date]:
    """Return the days whose counts an event has a part in.

    Just after midnight it says how the queries of the day before have ended.
    """
    return {date_in(zone, at), date_in(zone, at - LOOK_AHEAD)}


def days_of_new_events(connection: Connection, zone: ZoneInfo, above_id: int) -> set[date]:
    """Return the days of the events with larger ids than `above_id`."""
    changed: set[date] = set()
    new = select(UserEvent.created_at).where(
        UserEvent.id > above_id, UserEvent.created_at.between(COUNTED_FROM, COUNTED_UNTIL)
    )
    with stream(connection, new) as rows:
        for at in rows.scalars():
            changed |= touched_by(zone, at)
    return changed


def stale_days(connection: Connection) -> set[date]:
    """Return the days that whoever has deleted something has marked."""
    return set(connection.scalars(select(tables.days.c.day).where(tables.days.c.is_stale)))


def all_days(connection: Connection, zone: ZoneInfo) -> set[date]:
    """Return every day that has events, or had some when it was counted."""
    found = set(connection.scalars(select(tables.days.c.day)))
    found.update(connection.scalars(select(tables.checks.c.day)))
    for event_type in event_types(connection):
        for at in _first_of_each_day(connection, zone, event_type):
            found |= touched_by(zone, at)
    return found


def _first_of_each_day(
    connection: Connection, zone: ZoneInfo, event_type: str
) -> Iterator[datetime]:
    """Give the time of the first event of each day, one step in the index each.

    A clock that was wrong once has put an event into 1970: the days between have none.
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
        start = day(date_in(zone, at), zone).end
