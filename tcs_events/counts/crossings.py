"""Counts funnel steps taken after midnight by sessions that entered the funnel on the day before.

`funnels` counts the steps within a day. Few sessions are active on two days in a row. Only their
events are read again here, to see how much further they got on the second day.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import Day, date_in, dates, days_until
from tcs_events.counts.deltas import deltas_of
from tcs_events.counts.events import StoredRow, rows_between, sessions_of_rows
from tcs_events.counts.fingerprints import CountedEvents, Fingerprints, in_memory
from tcs_events.counts.funnels import WITHIN, Funnel, FunnelCounter, Reached, add_counts
from tcs_events.database.batches import batches
from tcs_events.event_types.roles import Roles

_MOMENT = timedelta(microseconds=1)


def mark_crossings(connection: Connection, day: Day) -> None:
    """Mark the crossings that depend on a day's events, so that they are counted again."""
    first = date_in(day.zone, day.start - WITHIN)
    is_affected = tables.checks.c.day.between(first, day.date)
    connection.execute(tables.checks.update().where(is_affected).values(is_crossing_stale=True))


def stale_crossings(connection: Connection) -> list[date]:
    """Return the days whose crossings must be counted again, oldest first."""
    checks = tables.checks.c
    return list(
        connection.scalars(
            sa.select(checks.day).where(checks.is_crossing_stale).order_by(checks.day)
        )
    )


def crossing_sessions(connection: Connection, day: Day, funnels: Sequence[Funnel]) -> list[str]:
    """Return the sessions that may have entered a funnel on a day and taken steps after it."""
    long_funnels = [funnel for funnel in funnels if len(funnel.steps) > 1]
    first_types = {funnel.steps[0].event_type for funnel in long_funnels}
    later_types = {step.event_type for funnel in long_funnels for step in funnel.steps[1:]}
    next_date = day.date + timedelta(days=1)
    later_dates = dates(next_date, date_in(day.zone, day.end + WITHIN - _MOMENT))
    # Later days first: after the newest day there are no sessions, and one query is enough.
    later_sessions = _sessions_on(connection, list(later_dates), later_types)
    if not later_sessions:
        return []
    return sorted(later_sessions & _sessions_on(connection, [day.date], first_types))


def count_crossings(
    connection: Connection,
    day: Day,
    funnels: Sequence[Funnel],
    sessions: Sequence[str],
    roles: Roles,
) -> Reached:
    """Count the sessions that reached a step of a funnel only after the day was over."""
    counter = FunnelCounter(funnels, day.end, roles)
    days = days_until(day.date, day.end + WITHIN, day.zone)
    for batch in batches(sessions):
        counted = CountedEvents(connection, days, batch)
        with rows_between(connection, day.start, day.end + WITHIN, sessions=batch) as rows:
            for _, session in sessions_of_rows(counted.among(rows)):
                counter.count(session)
    return counter.crossed


class CrossingChange:
    """What new events of a day change in the crossings of that day and of the day before.

    Args:
        day: the day of the new events.
        funnels: the stored funnels.
        roles: what the event types mean.
    """

    def __init__(self, day: Day, funnels: Sequence[Funnel], roles: Roles) -> None:
        self._day = day
        self._funnels = funnels
        self._days = days_until(date_in(day.zone, day.start - WITHIN), day.end + WITHIN, day.zone)
        """The days with which the day may share the steps of a funnel."""
        self._entered = [
            (
                entered,
                FunnelCounter(funnels, entered.end, roles),
                FunnelCounter(funnels, entered.end, roles),
            )
            for entered in self._days
            if entered.date <= day.date
        ]
        """The days on which the funnel was entered, with what was counted before, and now."""

    def read(self, connection: Connection, fingerprints: Fingerprints) -> None:
        """Read the events of sessions that were there on several of the days.

        Args:
            connection: to the events.
            fingerprints: the new fingerprints of the sessions that have changed on the day.

        Raises:
            CannotAdd: a session has too many events.
        """
        visits = tables.visits.c
        other_dates = [day.date for day in self._days if day.date != self._day.date]
        start, end = self._days[0].start, self._day.end + WITHIN
        for batch in batches(sorted(fingerprints)):
            query = sa.select(visits.session_id).where(
                visits.session_id.in_(batch), visits.day.in_(other_dates)
            )
            if not (sessions := sorted(set(connection.scalars(query)) & fingerprints.keys())):
                continue
            before = CountedEvents(connection, self._days, sessions)
            now = CountedEvents(connection, self._days, sessions)
            now.replace(self._day.date, fingerprints)
            with rows_between(connection, start, end, sessions=sessions) as rows:
                for _, session in groupby(rows, key=attrgetter("session_id")):
                    events = in_memory(session)
                    self._count(list(before.among(events)), list(now.among(events)))

    def _count(self, before: Sequence[StoredRow], now: Sequence[StoredRow]) -> None:
        for entered, counter_before, counter_now in self._entered:
            for counter, rows in ((counter_before, before), (counter_now, now)):
                end = entered.end + WITHIN
                counter.count(row.seen() for row in rows if entered.start <= row.at < end)

    def store(self, connection: Connection) -> None:
        """Change the stored crossings, except those that are marked and will be counted again.

        Raises:
            CountsDiffer: the stored crossings are not what was counted before.
        """
        stale = set(stale_crossings(connection))
        for entered, before, now in self._entered:
            if entered.date not in stale:
                deltas = deltas_of(now.crossed, before.crossed)
                add_counts(connection, tables.funnel_crossings, entered.date, self._funnels, deltas)


def _sessions_on(
    connection: Connection, days: Collection[date], types: Collection[str]
) -> set[str]:
    visits = tables.visits.c
    return set(
        connection.scalars(
            sa.select(visits.session_id).where(visits.day.in_(days), visits.event_type.in_(types))
        )
    )


def forget_crossings(connection: Connection, days: Sequence[date]) -> None:
    """Delete the crossings of days, and mark these days as up to date."""
    crossings, checks = tables.funnel_crossings, tables.checks
    for batch in batches(days):
        connection.execute(crossings.delete().where(crossings.c.day.in_(batch)))
        connection.execute(
            checks.update().where(checks.c.day.in_(batch)).values(is_crossing_stale=False)
        )
