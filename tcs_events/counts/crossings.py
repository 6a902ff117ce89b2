"""Counts funnel steps taken after midnight by sessions that entered the funnel on the day before.

`funnels` counts the steps within a day. Few sessions are active on two days in a row. Only their
events are read again here, to see how much further they got on the second day.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import Day, date_in, dates
from tcs_events.counts.events import events_between, sessions_of
from tcs_events.counts.funnels import WITHIN, Funnel, FunnelCounter, Reached
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
    types = {step.event_type for funnel in funnels for step in funnel.steps}
    for batch in batches(sessions):
        with events_between(connection, day.start, day.end + WITHIN, types, batch) as events:
            for _, session in sessions_of(events):
                counter.count(session)
    return counter.crossed


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
