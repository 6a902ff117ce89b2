"""Finds days whose events have changed since they were counted.

A refresh finds new rows by their ids, and our own deletions mark their days. But a host can change
rows in other ways: insert rows with older ids, delete or move rows by hand, restore a backup. So we
store the number of a day's events and a checksum when the day is counted. Each refresh compares
some days with the events again.

Only the index of the events is read, so a payload or a session that was changed in place is not
noticed.

On a day that goes on, a refresh finds new events, too. They account for the difference if the day
has exactly the counted events and those that `uncounted` finds.
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
from tcs_events.counts.days import COUNTED_FROM, COUNTED_UNTIL, Day, date_in, dates
from tcs_events.counts.days import day as day_of
from tcs_events.counts.deltas import CountsDiffer
from tcs_events.counts.events import event_types
from tcs_events.counts.facts import LOOK_AHEAD
from tcs_events.database.batches import batches
from tcs_events.models import UserEvent, UtcDateTime

AUDIT_DAYS = 400
"""The most days that a refresh compares. Each takes a query (0.2 ms if the day has no events)."""
AUDIT_EVENTS = 200_000
"""How many events a refresh compares on average. Reading them in the index takes about 0.1 s. A day
is compared as a whole. If it has more events, the next refreshes compare no days."""
MAX_CHECKSUM = 2**62
"""The column has 64 bits, one of them for the sign."""


class Check(NamedTuple):
    """The number and the checksum of a day's events, including those of `LOOK_AHEAD` after it."""

    events: int
    checksum: int

    def with_more(self, more: Check) -> Check:
        """Return the check of these events and of others."""
        return Check(self.events + more.events, (self.checksum + more.checksum) % MAX_CHECKSUM)


NOTHING = Check(0, 0)


class Difference(NamedTuple):
    """A day whose check is another one than when the day was counted."""

    counted: Check
    current: Check


def check(connection: Connection, day: Day, types: Sequence[str]) -> Check:
    """Return the number and the checksum of a day's events now."""
    bounds = {"types": types, "start": day.start, "end": day.end + LOOK_AHEAD}
    return _check_of(connection.execute(_query(connection.dialect.name), bounds).all())


def add_to_check(connection: Connection, day: date, event_ids: Sequence[int]) -> None:
    """Add events to the stored check of a day, in the transaction that adds them to its counts.

    Raises:
        CountsDiffer: there is no check of the day.
    """
    checks = tables.checks
    stored = connection.execute(sa.select(checks).where(checks.c.day == day)).one_or_none()
    if stored is None:
        raise CountsDiffer(checks.name)
    counted = Check(stored.events, int(stored.checksum))
    for batch in batches(event_ids):
        query = _sums(connection.dialect.name).where(UserEvent.id.in_(batch))
        counted = counted.with_more(_check_of(connection.execute(query).all()))
    connection.execute(checks.update().where(checks.c.day == day).values(**counted._asdict()))


def uncounted(connection: Connection, day: Day, above_id: int) -> Check:
    """Return the check of those events of a day that are not counted.

    Args:
        connection: all its reads must see the same moment.
        day: the day.
        above_id: all events up to this id are counted.
    """
    counted = tables.sessions.c
    is_of_session = (counted.session_id == UserEvent.session_id) & (counted.day == day.date)
    query = (
        _sums(connection.dialect.name)
        .select_from(sa.outerjoin(UserEvent, tables.sessions, is_of_session))
        .where(
            UserEvent.id > above_id,
            UserEvent.created_at >= day.start,
            UserEvent.created_at < day.end + LOOK_AHEAD,
            counted.last_id.is_(None) | (UserEvent.id > counted.last_id),
        )
    )
    return _check_of(connection.execute(query).all())


def _check_of(rows: Sequence[Any]) -> Check:
    checksum = sum(crc32(event_type.encode()) * int(type_sum) for event_type, _, type_sum in rows)
    return Check(sum(events for _, events, _ in rows), checksum % MAX_CHECKSUM)


@cache  # it runs hundreds of times, and building it took longer than running it
def _query(dialect: str) -> Any:
    return _sums(dialect).where(
        UserEvent.event_type.in_(sa.bindparam("types", expanding=True)),
        UserEvent.created_at >= sa.bindparam("start", type_=UtcDateTime()),
        UserEvent.created_at < sa.bindparam("end", type_=UtcDateTime()),
    )


def _sums(dialect: str) -> Any:
    return sa.select(UserEvent.event_type, sa.func.count(), _checksum(dialect)).group_by(
        UserEvent.event_type
    )


def _checksum(dialect: str) -> sa.ColumnElement[int]:
    """Return a sum over columns of the index that changes if the rows change.

    It sums remainders, not times. Otherwise one row that moved by a minute and another that moved
    back by a minute would cancel each other out.
    """
    if dialect == "postgresql":  # on PostgreSQL the index does not contain the id
        micros = sa.cast(sa.extract("epoch", UserEvent.created_at) * 1_000_000, sa.BigInteger)
        return sa.func.sum(micros % 1_000_003)
    if dialect == "sqlite":
        # The time is needed, too: SQLite uses the newest row's id again after that row is deleted.
        # Times are stored as text, "2024-05-06 10:00:00.000000", and the 12th character is the
        # first of the hour.
        text = sa.func.substr(sa.type_coerce(UserEvent.created_at, sa.String), 12)
        seconds = sa.cast(sa.func.replace(text, ":", ""), sa.Float)
        return sa.func.sum(UserEvent.id + sa.cast(seconds * 1_000, sa.Integer) % 1_000_003)
    # On MariaDB and MySQL every index ends with the id.
    unit, start = sa.text("MICROSECOND"), sa.text("'1970-01-01'")
    since = sa.func.timestampdiff(unit, start, UserEvent.created_at, type_=sa.BigInteger)
    return sa.func.sum(UserEvent.id + since % 1_000_003)


def keep_check(connection: Connection, day: date, new: Check, *, has_events: bool) -> None:
    """Store a day's check, in the transaction that stores its counts."""
    connection.execute(tables.checks.delete().where(tables.checks.c.day == day))
    if new != NOTHING or has_events:
        connection.execute(
            tables.checks.insert().values(day=day, is_crossing_stale=True, **new._asdict())
        )


class Audit:
    """Compares days with their events. Each call compares some days, and the next call goes on."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._next: date | None = None
        self._ahead = 0
        """How many events were compared beyond those of the calls until now."""

    def changed_days(self, connection: Connection, leave_out: set[date]) -> dict[date, Difference]:
        """Return the days whose events have changed, among those that this call compares.

        Args:
            connection: to the database of the events.
            leave_out: days that are counted again anyway.
        """
        if self._ahead >= AUDIT_EVENTS:
            self._ahead -= AUDIT_EVENTS
            return {}
        types = event_types(connection)
        bounds = self._bounds(connection, types)
        if bounds is None:
            return {}
        kept = {
            row.day: Check(row.events, int(row.checksum))
            for row in connection.execute(sa.select(tables.checks))
        }
        changed: dict[date, Difference] = {}
        events = 0
        for day in self._newest_first(*bounds):
            self._next = day - timedelta(days=1)
            if day in leave_out:
                continue
            current = check(connection, day_of(day, self._zone), types)
            if current != (counted := kept.get(day, NOTHING)):
                changed[day] = Difference(counted, current)
            events += current.events
            if events >= AUDIT_EVENTS:
                break
        self._ahead = max(0, self._ahead + events - AUDIT_EVENTS)
        return changed

    def _bounds(self, connection: Connection, types: Sequence[str]) -> tuple[date, date] | None:
        """Return the oldest and the newest day that has events, or had some when it was counted."""
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
        bounds += [day for day in kept if day is not None]
        return (min(bounds), max(bounds)) if bounds else None

    def _newest_first(self, oldest: date, newest: date) -> Sequence[date]:
        """Return the next days to compare, each once. After the oldest day comes the newest again.

        A new process starts at a random day. Otherwise processes that run only once, such as a
        nightly command, would compare the same days every time.
        """
        days = list(dates(oldest, newest))[::-1]
        start = random.choice(days) if self._next is None else self._next  # noqa: S311 - no secret
        place = (newest - start).days if oldest <= start <= newest else 0
        return (days[place:] + days[:place])[:AUDIT_DAYS]
