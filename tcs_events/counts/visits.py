"""The stored visits, and the retention that is counted from them.

Whatever changes the visits also changes the counts of `visitors` and the sample of `sampled`, in
the same transaction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TypeVarTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import monday_of
from tcs_events.counts.deltas import add_deltas, deltas_of
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.rows import Place
from tcs_events.counts.sampled import change_sample, forget_sampled
from tcs_events.counts.shares import Share
from tcs_events.counts.time_limit import in_time
from tcs_events.counts.visitors import (
    change_visitors,
    forget_visitors,
    sessions_of_day,
    visits_around,
    without_compiling,
)
from tcs_events.database.batches import batches
from tcs_events.database.streaming import stream

LATER_DAYS = 31
"""For how many days after their first day visitors are followed day by day."""

Visit = tuple[str, str]
"""A session id, and an event type that the session sent on the day."""
Kept = dict[Visit, int]
"""The stored visits of a day, with the ids of their rows."""
Columns = TypeVarTuple("Columns")
Retention = Counter[tuple[str, date, str]]
"""Numbers of a day's sessions by unit, cohort and event type."""
RetentionByDay = dict[date, Retention]


def kept_visits(connection: Connection, day: date, sessions: Sequence[str] | None = None) -> Kept:
    """Return the stored visits of a day, of all sessions or of those given."""
    visits = tables.visits.c
    query = sa.select(visits.session_id, visits.event_type, visits.id).where(visits.day == day)
    rows = rows_of_sessions(connection, query, visits.session_id, sessions)
    return {(session_id, event_type): row_id for session_id, event_type, row_id in rows}


def rows_of_sessions(
    connection: Connection,
    query: sa.Select[*Columns],
    column: sa.ColumnElement[str],
    sessions: Sequence[str] | None,
) -> list[sa.Row[*Columns]]:
    """Return the rows of a query whose column is one of the sessions; None for all rows."""
    if sessions is None:
        return list(connection.execute(query))
    return [
        row
        for batch in batches(sessions)
        for row in connection.execute(query.where(column.in_(batch)))
    ]


def change_visits(
    connection: Connection,
    day: date,
    new_visits: Sequence[Visit],
    gone_visits: Sequence[Visit],
    kept: Kept,
    *,
    counts_visitors_later: bool = False,
    marks_retention: bool = True,
) -> None:
    """Insert the new visits of a day, and delete those that are gone.

    The sample changes with the visits, and so do the visitors, unless all are counted later. The
    first day of these sessions may change, and so the retention of later days. Those days are
    marked in the same transaction, so that their retention is counted again. Without
    `marks_retention` the caller changes the retention itself, in this transaction.
    """
    sessions = {session_id for session_id, _ in (*new_visits, *gone_visits)}
    if not counts_visitors_later:
        around = visits_around(connection, day, sessions)
        change_visitors(connection, day, around, new_visits, gone_visits)
    change_sample(connection, day, new_visits, gone_visits)
    for row_ids in batches([kept[visit] for visit in gone_visits]):
        connection.execute(tables.visits.delete().where(tables.visits.c.id.in_(row_ids)))
    if new_visits:
        connection.execute(
            tables.visits.insert(),
            [
                {"session_id": session_id, "day": day, "event_type": event_type}
                for session_id, event_type in new_visits
            ],
        )
    if not marks_retention:
        return
    newest = connection.scalar(sa.select(sa.func.max(tables.days.c.day)))
    if newest is None or newest < day:
        return
    changed_days = {day}
    if newest > day:
        changed_days |= {later for later in days_of(connection, sessions) if later > day}
    for batch in batches(sorted(changed_days)):
        connection.execute(
            tables.days.update().where(tables.days.c.day.in_(batch)).values(is_retention_stale=True)
        )


def days_of(connection: Connection, sessions: Collection[str]) -> set[date]:
    """Return the days on which at least one of the sessions has a visit."""
    visits = tables.visits.c
    return {
        day
        for batch in batches(sorted(sessions))
        for day in connection.scalars(
            sa.select(visits.day).where(visits.session_id.in_(batch)).distinct()
        )
    }


def first_days(
    connection: Connection, sessions: Collection[str], event_type: str | None = None
) -> dict[str, date]:
    """Return the first day of each session, or the first on which it sent a type.

    Sessions without such a day are left out.
    """
    visits = tables.visits.c
    return {
        session_id: first
        for batch in batches(sorted(sessions))
        for session_id, first in connection.execute(
            sa.select(visits.session_id, sa.func.min(visits.day))
            .where(visits.session_id.in_(batch), *_of_type(event_type))
            .group_by(visits.session_id)
        )
    }


def new_of_type(
    connection: Connection, first: date, last: date, event_type: str
) -> dict[str, date]:
    """Return the sessions that sent a type for the first time in these days, and on which day."""
    visits, earlier = tables.visits, tables.visits.alias()
    came_before = sa.exists().where(
        earlier.c.session_id == visits.c.session_id,
        earlier.c.day < first,
        earlier.c.event_type == event_type,
    )
    query = (
        sa.select(visits.c.session_id, sa.func.min(visits.c.day))
        .where(visits.c.day.between(first, last), visits.c.event_type == event_type, ~came_before)
        .group_by(visits.c.session_id)
    )
    with stream(connection, query) as rows:
        return {row[0]: row[1] for row in in_time(connection, rows)}


@contextmanager
def visits_between(
    connection: Connection, first: date, last: date, event_type: str | None
) -> Iterator[Iterator[tuple[str, set[date]]]]:
    """Yield an iterator over sessions and those of the days on which they sent a type.

    Args:
        connection: to the counts.
        first: the first day.
        last: the last day.
        event_type: the type; None for any.
    """
    visits = tables.visits.c
    query = (
        sa.select(visits.session_id, visits.day)
        .where(visits.day.between(first, last), *_of_type(event_type))
        .order_by(visits.session_id)
    )
    with stream(connection, query) as rows:
        yield (
            (session_id, {day for _, day in session_rows})
            for session_id, session_rows in groupby(in_time(connection, rows), key=itemgetter(0))
        )


def visits_of(
    connection: Connection,
    first: date,
    last: date,
    event_type: str | None,
    sessions: Collection[str],
) -> dict[str, set[date]]:
    """Return the same as `visits_between` of some sessions only."""
    visits = tables.visits.c
    days: dict[str, set[date]] = defaultdict(set)
    for batch in batches(sorted(sessions)):
        query = sa.select(visits.session_id, visits.day).where(
            visits.session_id.in_(batch), visits.day.between(first, last), *_of_type(event_type)
        )
        for session_id, day in connection.execute(query):
            days[session_id].add(day)
    return days


def _of_type(event_type: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if event_type is None else [tables.visits.c.event_type == event_type]


def forget_visits(connection: Connection, sessions: Collection[str]) -> set[date]:
    """Delete all visits of the sessions, and return the days of these visits."""
    visits = tables.visits.c
    days: set[date] = set()
    for batch in batches(sorted(sessions)):
        is_theirs = visits.session_id.in_(batch)
        rows = connection.execute(
            sa.select(visits.session_id, visits.day, visits.event_type).where(is_theirs)
        ).all()
        forget_visitors(connection, rows)
        connection.execute(tables.visits.delete().where(is_theirs))
        forget_sampled(connection, batch)
        days.update(day for _, day, _ in rows)
    return days


def count_retention(connection: Connection, day: date, share: Share | None = None) -> Retention:
    """Return the retention of a day: its sessions, or a share of them, by their first day."""
    counts: Retention = Counter()
    without_compiling(connection)
    for event_type, first_day, is_repeated in _visits_with_first_day(connection, day, share):
        for row in _rows_of_visit(day, event_type, first_day, is_repeated=is_repeated):
            counts[row] += 1
    return counts


def replace_retention(connection: Connection, day: date, retention: Retention) -> None:
    """Replace the stored retention of a day, in a transaction that holds off others."""
    table = tables.retention
    connection.execute(table.delete().where(table.c.day == day))
    rows = [
        {
            "day": day,
            "unit": unit,
            "cohort": cohort,
            "event_type": event_type,
            "sessions": sessions,
        }
        for (unit, cohort, event_type), sessions in retention.items()
    ]
    if rows:
        connection.execute(table.insert(), rows)
    is_day = tables.days.c.day == day
    connection.execute(tables.days.update().where(is_day).values(is_retention_stale=False))


def _rows_of_visit(
    day: date, event_type: str, first_day: date, *, is_repeated: bool
) -> Iterator[tuple[str, date, str]]:
    """Yield the unit, the cohort and the event type of each row in which a visit counts."""
    if day - first_day <= timedelta(days=LATER_DAYS):
        yield "day", first_day, event_type
    if not is_repeated:
        yield "week", monday_of(first_day), event_type


def retention_of(connection: Connection, sessions: Sequence[str]) -> RetentionByDay:
    """Return what sessions contribute to the retention of all days, by their stored visits."""
    visits: dict[str, set[tuple[date, str]]] = defaultdict(set)
    columns = tables.visits.c
    query = sa.select(columns.session_id, columns.day, columns.event_type)
    for row in rows_of_sessions(connection, query, columns.session_id, sessions):
        visits[row.session_id].add((row.day, row.event_type))
    retention: RetentionByDay = defaultdict(Counter)
    for session_id in sessions:  # some collations treat different ids as equal
        for day, unit, cohort, event_type in _retention_of_session(visits[session_id]):
            retention[day][unit, cohort, event_type] += 1
    return retention


def add_retention(connection: Connection, before: RetentionByDay, now: RetentionByDay) -> None:
    """Add what sessions contribute now, and take away what they contributed before.

    Days that are marked, or not counted yet, are left out: their retention is counted later.

    Raises:
        CountsDiffer: the stored retention is not what was counted before.
    """
    deltas = {day: deltas_of(now[day], before[day]) for day in now.keys() | before.keys()}
    changed_days = sorted(day for day, of_day in deltas.items() if of_day)
    days, names = tables.days.c, ("unit", "cohort", "event_type")
    for batch in batches(changed_days):
        is_counted = days.day.in_(batch) & ~days.is_retention_stale
        for day in connection.scalars(sa.select(days.day).where(is_counted)).all():
            place = Place(tables.retention, {"day": day}, names, ("sessions",))
            add_deltas(connection, place, deltas[day])


def _retention_of_session(
    visits: Collection[tuple[date, str]],
) -> Iterator[tuple[date, str, date, str]]:
    """Yield the rows of `retention` in which a session counts: day, unit, cohort and event type.

    Args:
        visits: the days and the event types of all visits of the session.
    """
    types_of_day: dict[date, set[str]] = defaultdict(set)
    for day, event_type in visits:
        types_of_day[day].add(event_type)
    first_day = min(types_of_day, default=date.max)
    earlier_types: dict[date, set[str]] = defaultdict(set)
    """The types that were sent earlier in each week."""
    for day in sorted(types_of_day):
        earlier = earlier_types[monday_of(day)]
        sent = [(event_type, event_type in earlier) for event_type in types_of_day[day]]
        for event_type, is_repeated in ((ALL_TYPES, bool(earlier)), *sent):
            for row in _rows_of_visit(day, event_type, first_day, is_repeated=is_repeated):
                yield day, *row
        earlier |= types_of_day[day]


def _visits_with_first_day(
    connection: Connection, day: date, share: Share | None
) -> Iterator[tuple[str, date, bool]]:
    """Yield the event types of each session on a day, and "" for any type.

    With each come the session's first day, and whether it sent the type earlier in the week.
    """
    all_visits = tables.visits.alias()
    sessions = sessions_of_day(connection, day, share).subquery()
    # Read all rows of these sessions, by the index on session ids. There must be no other condition
    # on days in WHERE: PostgreSQL's statistics do not cover the newest days, so it would expect
    # almost no rows in the index on days, and read the whole week there for each session
    # (measured: 45 s instead of 0.4 s).
    is_earlier = (all_visits.c.day >= monday_of(day)) & (all_visits.c.day < day)
    query = (
        sa.select(
            all_visits.c.session_id,
            all_visits.c.event_type,
            sa.func.min(all_visits.c.day),
            sa.func.max(sa.case((is_earlier, 1), else_=0)),
            sa.func.max(sa.case((all_visits.c.day == day, 1), else_=0)),
        )
        .select_from(sessions.join(all_visits, all_visits.c.session_id == sessions.c.session_id))
        .group_by(all_visits.c.session_id, all_visits.c.event_type)
        .order_by(all_visits.c.session_id)
    )
    with stream(connection, query) as rows:
        for _, session_rows in groupby(rows, key=itemgetter(0)):
            types = list(session_rows)
            first = min(row[2] for row in types)
            yield ALL_TYPES, first, any(row[3] for row in types)
            for _, event_type, _, is_repeated, is_on_day in types:
                if is_on_day:
                    yield event_type, first, bool(is_repeated)
