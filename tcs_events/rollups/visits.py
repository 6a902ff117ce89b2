"""Who was there on which day, and since when: what the counts of coming back are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.rollups import tables
from tcs_events.rollups.facts import ALL_TYPES
from tcs_events.rollups.spans import week_of

LATER_DAYS = 31
"""How many days after their first one visitors are followed day by day."""
SESSIONS_AT_ONCE = 500
"""How many a query names: databases have a limit."""

Visit = tuple[str, str]
"""Of a day: the session, and a type of event that it sent."""
Kept = dict[Visit, int]
"""The visits that are kept of a day, with the numbers of their rows."""
T = TypeVar("T")


def kept_visits(connection: Connection, of_day: date) -> Kept:
    """Return the visits that are kept of a day."""
    visits = tables.visits.c
    rows = connection.execute(
        sa.select(visits.session_id, visits.event_type, visits.id).where(visits.day == of_day)
    )
    return {(session_id, event_type): number for session_id, event_type, number in rows}


def change_visits(
    connection: Connection, of_day: date, new: Sequence[Visit], gone: Sequence[Visit], kept: Kept
) -> None:
    """Keep the visits that are new on a day, and no longer those that are gone.

    Whoever came on this day may have come first on it, or no longer: on which later days they came
    back is to be counted again, and that is noted in the same transaction.
    """
    for numbers in _at_once([kept[visit] for visit in gone]):
        connection.execute(tables.visits.delete().where(tables.visits.c.id.in_(numbers)))
    if new:
        connection.execute(
            tables.visits.insert(),
            [
                {"session_id": session_id, "day": of_day, "event_type": event_type}
                for session_id, event_type in new
            ],
        )
    newest = connection.scalar(sa.select(sa.func.max(tables.days.c.day)))
    if newest is None or newest < of_day:
        return
    changed = {of_day}
    if newest > of_day:
        sessions = {session_id for session_id, _ in (*new, *gone)}
        changed |= {later for later in days_of(connection, sessions) if later > of_day}
    for some in _at_once(sorted(changed)):
        connection.execute(
            tables.days.update().where(tables.days.c.day.in_(some)).values(is_retention_stale=True)
        )


def days_of(connection: Connection, sessions: Collection[str]) -> set[date]:
    """Return the days on which any of the sessions was there."""
    visits = tables.visits.c
    return {
        of_day
        for some in _at_once(sorted(sessions))
        for of_day in connection.scalars(
            sa.select(visits.day).where(visits.session_id.in_(some)).distinct()
        )
    }


def first_days(connection: Connection, sessions: Collection[str]) -> dict[str, date]:
    """Return the day on which each of the sessions was there first, where that is known."""
    visits = tables.visits.c
    return {
        session_id: first
        for some in _at_once(sorted(sessions))
        for session_id, first in connection.execute(
            sa.select(visits.session_id, sa.func.min(visits.day))
            .where(visits.session_id.in_(some))
            .group_by(visits.session_id)
        )
    }


def forget_visits(connection: Connection, sessions: Collection[str]) -> set[date]:
    """Delete all visits of sessions; returns the days on which they were there."""
    days = days_of(connection, sessions)
    for some in _at_once(sorted(sessions)):
        connection.execute(tables.visits.delete().where(tables.visits.c.session_id.in_(some)))
    return days


def count_retention(connection: Connection, of_day: date) -> list[dict[str, object]]:
    """Count who was there on a day by when they were there first, in rows of its table."""
    counts: Counter[tuple[str, date, str]] = Counter()
    if connection.dialect.name == "postgresql":
        # Where it has no statistics yet it compiles these look-ups for longer than they take:
        # https://www.postgresql.org/docs/current/jit-decision.html (measured: 190 ms of 215).
        connection.exec_driver_sql("SET LOCAL jit = off")
    rows = [row for query in _returning(of_day) for row in connection.execute(query)]
    for event_type, first_day, was_there_before, sessions in rows:
        if of_day - first_day <= timedelta(days=LATER_DAYS):
            counts["day", first_day, event_type] += sessions
        if not was_there_before:
            counts["week", week_of(first_day).first, event_type] += sessions
    return [
        {
            "day": of_day,
            "unit": unit,
            "cohort": cohort,
            "event_type": event_type,
            "sessions": sessions,
        }
        for (unit, cohort, event_type), sessions in counts.items()
    ]


def _returning(of_day: date) -> Iterator[sa.Select[str, date, int, int]]:
    """Give the queries for how many sessions of a day sent a type, or any.

    Each by the first day of the session, and by whether it sent the type earlier in the week.
    """
    visits, ever = tables.visits, tables.visits.alias()
    there = sa.select(visits.c.session_id).where(visits.c.day == of_day).distinct().subquery()
    # All rows of these sessions are read once each, found by session. No other condition on days
    # is in a WHERE: the statistics of PostgreSQL know nothing of the newest days, so that it would
    # take the index on days to hold next to nothing, and read the whole week in it for each session
    # (measured: 45 s instead of 0.4).
    rows = there.join(ever, ever.c.session_id == there.c.session_id)
    is_earlier = (ever.c.day >= week_of(of_day).first) & (ever.c.day < of_day)
    was_there = sa.func.max(sa.case((is_earlier, 1), else_=0)).label("was_there")
    each = (
        sa.select(ever.c.session_id, sa.func.min(ever.c.day).label("first"), was_there)
        .select_from(rows)
        .group_by(ever.c.session_id)
        .subquery()
    )
    of_type = (
        sa.select(ever.c.session_id, ever.c.event_type, was_there)
        .select_from(rows)
        .group_by(ever.c.session_id, ever.c.event_type)
        .having(sa.func.max(sa.case((ever.c.day == of_day, 1), else_=0)) == 1)
        .subquery()
    )
    yield (
        sa.select(of_type.c.event_type, each.c.first, of_type.c.was_there, sa.func.count())
        .join(each, each.c.session_id == of_type.c.session_id)
        .group_by(of_type.c.event_type, each.c.first, of_type.c.was_there)
    )
    any_type = sa.literal(ALL_TYPES, visits.c.event_type.type).label("event_type")
    yield (
        sa.select(any_type, each.c.first, each.c.was_there, sa.func.count())
        .select_from(each)
        .group_by(each.c.first, each.c.was_there)
    )


def _at_once(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), SESSIONS_AT_ONCE):
        yield values[start : start + SESSIONS_AT_ONCE]
