"""Finds days whose events are no longer those that were counted, whoever has changed them.

New rows are found by their ids, and deletions of ours say so themselves. A host may do more: insert
rows with older ids, delete or move rows by hand, restore a backup. So the number of a day's events,
and a checksum, are kept when it is counted, and compared again: a part of the days at each refresh.
Only the index of the events is read for that. What it does not show is a payload or a session that
was changed in place.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import COUNTED_FROM, COUNTED_UNTIL, Day, date_in, dates, day
from tcs_events.counts.events import event_types
from tcs_events.counts.facts import LOOK_AHEAD
from tcs_events.models import UserEvent, UtcDateTime

AUDIT_DAYS = 400
"""How many days a refresh compares at most: each is a query (0.2 ms where there is nothing)."""
AUDIT_EVENTS = 200_000
"""After so many events it ends: reading them in the index takes about 0.1 s."""
MAX_CHECKSUM = 2**62
"""The database keeps 64 bits, one of them for the sign."""


class Check(NamedTuple):
    """What the index says of a day: of all events that count on it, or say how it ended."""

    events: int
    checksum: int


NOTHING = Check(0, 0)


def check(connection: Connection, of_day: Day, types: Sequence[str]) -> Check:
    """Return what the index says of a day now."""
    bounds = {"types": types, "start": of_day.start, "end": of_day.end + LOOK_AHEAD}
    rows = connection.execute(_question(connection.dialect.name), bounds).all()
    checksum = sum(crc32(event_type.encode()) * int(of_type) for event_type, _, of_type in rows)
    return Check(sum(events for _, events, _ in rows), checksum % MAX_CHECKSUM)


@cache  # made once: it is asked hundreds of times, and making it took longer than the answer
def _question(dialect: str) -> Any:
    return (
        sa.select(UserEvent.event_type, sa.func.count(), _checksum(dialect))
        .where(
            UserEvent.event_type.in_(sa.bindparam("types", expanding=True)),
            UserEvent.created_at >= sa.bindparam("start", type_=UtcDateTime()),
            UserEvent.created_at < sa.bindparam("end", type_=UtcDateTime()),
        )
        .group_by(UserEvent.event_type)
    )


def _checksum(dialect: str) -> sa.ColumnElement[int]:
    """Return a sum that changes with the rows, made of what the index holds.

    The remainders keep moved rows from making up for each other: one moved by a minute and another
    moved back by a minute.
    """
    if dialect == "postgresql":  # its index does not hold the id
        micros = sa.cast(sa.extract("epoch", UserEvent.created_at) * 1_000_000, sa.BigInteger)
        return sa.func.sum(micros % 1_000_003)
    if dialect == "sqlite":
        # The id of the newest row is given once more after it is gone, so the time is needed, too.
        # It is kept as text: "2024-05-06 10:00:00.000000" from its 12th letter on.
        text = sa.func.substr(sa.type_coerce(UserEvent.created_at, sa.String), 12)
        seconds = sa.cast(sa.func.replace(text, ":", ""), sa.Float)
        return sa.func.sum(UserEvent.id + sa.cast(seconds * 1_000, sa.Integer) % 1_000_003)
    return sa.func.sum(UserEvent.id)


def keep_check(connection: Connection, of_day: date, found: Check, *, has_events: bool) -> None:
    """Keep what the index said of a day, in the transaction that keeps its counts."""
    connection.execute(tables.checks.delete().where(tables.checks.c.day == of_day))
    if found != NOTHING or has_events:
        connection.execute(
            tables.checks.insert().values(day=of_day, is_crossing_stale=True, **found._asdict())
        )


class Audit:
    """Compares the days of one database, a part at each call, and goes on where it ended."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._next: date | None = None

    def changed_days(self, connection: Connection, leave_out: set[date]) -> set[date]:
        """Return days that are not as they were when they were counted.

        Args:
            connection: to the events.
            leave_out: days that are counted again anyway.
        """
        types = event_types(connection)
        bounds = self._bounds(connection, types)
        if bounds is None:
            return set()
        kept = {
            row.day: Check(row.events, int(row.checksum))
            for row in connection.execute(sa.select(tables.checks))
        }
        changed, events = set(), 0
        for of_day in self._newest_first(*bounds):
            self._next = of_day - timedelta(days=1)
            if of_day in leave_out:
                continue
            found = check(connection, day(of_day, self._zone), types)
            if found != kept.get(of_day, NOTHING):
                changed.add(of_day)
            events += found.events
            if events >= AUDIT_EVENTS:
                break
        return changed

    def _bounds(self, connection: Connection, types: Sequence[str]) -> tuple[date, date] | None:
        """Return the oldest and the newest day with events, or with events when it was counted."""
        bounds = [
            date_in(self._zone, at)
            for event_type in types
            for at in connection.execute(
                sa.select(
                    sa.func.min(UserEvent.created_at), sa.func.max(UserEvent.created_at)
                ).where(
                    UserEvent.event_type == event_type,
                    UserEvent.created_at.between(COUNTED_FROM, COUNTED_UNTIL),
                )
            ).one()
            if at is not None
        ]
        counted = tables.checks.c.day
        kept = connection.execute(sa.select(sa.func.min(counted), sa.func.max(counted))).one()
        bounds += [of_day for of_day in kept if of_day is not None]
        return (min(bounds), max(bounds)) if bounds else None

    def _newest_first(self, oldest: date, newest: date) -> Sequence[date]:
        """Return the days that are next, each once, and begin anew at the newest after the oldest.

        A process that has just begun starts anywhere: one that only ever counts once would compare
        the same days each time.
        """
        days = list(dates(oldest, newest))[::-1]
        start = random.choice(days) if self._next is None else self._next  # noqa: S311 - no secret
        place = (newest - start).days if oldest <= start <= newest else 0
        return (days[place:] + days[:place])[:AUDIT_DAYS]
