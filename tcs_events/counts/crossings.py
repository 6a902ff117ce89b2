"""Funnel steps taken after midnight, by sessions that entered the funnel on the day before.

A day's own events are counted with the day (`funnels`). Few sessions are there on two days in a
row, and only their events are read again, to see how far they got thanks to what came later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import Day, date_in, dates
from tcs_events.counts.events import events_between
from tcs_events.counts.facts import Seen
from tcs_events.counts.funnels import WITHIN, Funnel, FunnelCounter, Reached, rows_of
from tcs_events.counts.visits import SESSIONS_AT_ONCE

_MOMENT = timedelta(microseconds=1)


def mark_crossings(connection: Connection, of_day: Day) -> None:
    """Have crossings counted again that the events of a day have a part in."""
    first = date_in(of_day.zone, of_day.start - WITHIN)
    of_days = tables.checks.c.day.between(first, of_day.date)
    connection.execute(tables.checks.update().where(of_days).values(is_crossing_stale=True))


def stale_crossings(connection: Connection) -> list[date]:
    """Return the days whose crossings are to be counted, oldest first."""
    checks = tables.checks.c
    return list(
        connection.scalars(
            sa.select(checks.day).where(checks.is_crossing_stale).order_by(checks.day)
        )
    )


def crossing_sessions(connection: Connection, of_day: Day, funnels: Sequence[Funnel]) -> list[str]:
    """Return the sessions that may have entered a funnel on a day, and gone on after it."""
    several = [funnel for funnel in funnels if len(funnel.steps) > 1]
    entering = {funnel.steps[0].event_type for funnel in several}
    following = {step.event_type for funnel in several for step in funnel.steps[1:]}
    first_later = of_day.date + timedelta(days=1)
    later = dates(first_later, date_in(of_day.zone, of_day.end + WITHIN - _MOMENT))
    # Whoever goes on is looked for first: of the newest day there is nobody.
    on_later_days = _sessions_on(connection, list(later), following)
    if not on_later_days:
        return []
    return sorted(on_later_days & _sessions_on(connection, [of_day.date], entering))


def count_crossings(
    connection: Connection, of_day: Day, funnels: Sequence[Funnel], sessions: Sequence[str]
) -> Reached:
    """Count the sessions that got as far as a step of a funnel only after the day was over."""
    counter = FunnelCounter(funnels)
    types = {step.event_type for funnel in funnels for step in funnel.steps}
    for start in range(0, len(sessions), SESSIONS_AT_ONCE):
        some = sessions[start : start + SESSIONS_AT_ONCE]
        with events_between(connection, of_day.start, of_day.end + WITHIN, types, some) as events:
            for _, session in groupby(events, key=lambda event: event[0]):
                counter.count_crossing((Seen(*event[1:]) for event in session), of_day.end)
    return counter.reached


def _sessions_on(
    connection: Connection, days: Collection[date], types: Collection[str]
) -> set[str]:
    visits = tables.visits.c
    return set(
        connection.scalars(
            sa.select(visits.session_id).where(visits.day.in_(days), visits.event_type.in_(types))
        )
    )


def replace_crossings(
    connection: Connection,
    of_day: date,
    funnels: Sequence[Funnel],
    reached: Reached,
    *,
    is_all: bool,
) -> None:
    """Put the crossings of a day in the place of those before.

    Args:
        connection: in a transaction in which nobody else counts.
        of_day: the day on which the funnels were entered.
        funnels: those that were counted.
        reached: what was counted of them.
        is_all: whether these are all funnels; else the others keep their crossings.
    """
    crossings = tables.funnel_crossings
    rows, ids = rows_of(connection, of_day, funnels, reached)
    if is_all:
        forget_crossings(connection, [of_day])
    else:
        is_theirs = (crossings.c.day == of_day) & crossings.c.funnel_id.in_(ids)
        connection.execute(crossings.delete().where(is_theirs))
    if rows := [row for row in rows if row["sessions"]]:
        connection.execute(crossings.insert(), rows)


def forget_crossings(connection: Connection, days: Sequence[date]) -> None:
    """Have nobody cross the end of some days, which need not be counted again."""
    crossings, checks = tables.funnel_crossings, tables.checks
    for start in range(0, len(days), SESSIONS_AT_ONCE):
        some = days[start : start + SESSIONS_AT_ONCE]
        connection.execute(crossings.delete().where(crossings.c.day.in_(some)))
        connection.execute(
            checks.update().where(checks.c.day.in_(some)).values(is_crossing_stale=False)
        )
