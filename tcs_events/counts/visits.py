"""Who was there on which day, and since when: what the counts of coming back are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.spans import week_of
from tcs_events.database.streaming import stream

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
    for event_type, first_day, was_there_before in _returning(connection, of_day):
        if of_day - first_day <= timedelta(days=LATER_DAYS):
            counts["day", first_day, event_type] += 1
        if not was_there_before:
            counts["week", week_of(first_day).first, event_type] += 1
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


def _returning(connection: Connection, of_day: date) -> Iterator[tuple[str, date, bool]]:
    """Give the types that each session of a day sent on it, "" for any.

    Each with the first day of the session, and with whether it sent the type earlier in the week.
    """
    visits, ever = tables.visits, tables.visits.alias()
    there = sa.select(visits.c.session_id).where(visits.c.day == of_day).distinct().subquery()
    # All rows of these sessions are read, once each and found by session. No other condition on
    # days is in a WHERE: the statistics of PostgreSQL know nothing of the newest days, so that it
    # would take the index on days to hold next to nothing, and read the whole week in it for each
    # session (measured: 45 s instead of 0.4).
    is_earlier = (ever.c.day >= week_of(of_day).first) & (ever.c.day < of_day)
    query = (
        sa.select(
            ever.c.session_id,
            ever.c.event_type,
            sa.func.min(ever.c.day),
            sa.func.max(sa.case((is_earlier, 1), else_=0)),
            sa.func.max(sa.case((ever.c.day == of_day, 1), else_=0)),
        )
        .select_from(there.join(ever, ever.c.session_id == there.c.session_id))
        .group_by(ever.c.session_id, ever.c.event_type)
        .order_by(ever.c.session_id)
    )
    with stream(connection, query) as rows:
        for _, session in groupby(rows, key=itemgetter(0)):
            types = list(session)
            first = min(row[2] for row in types)
            yield ALL_TYPES, first, any(row[3] for row in types)
            for _, event_type, _, was_there_before, is_there in types:
                if is_there:
                    yield event_type, first, bool(was_there_before)


def _at_once(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), SESSIONS_AT_ONCE):
        yield values[start : start + SESSIONS_AT_ONCE]
