"""Counts of visitors that can be added up to the visitors of any period, exactly.

Visitors do not add up over days, because some of them come on several days. So each visit is
counted with the day of the visitor's visit before. The visitors of a period are then the visits in
it whose visit before was not in it: each visitor has exactly one of these.

The counts change with the stored visits, in the same transaction. What a change takes depends on
the number of sessions that have changed, not on the size of the day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import monday_of
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.shares import Share, is_in_share
from tcs_events.counts.spans import Unit
from tcs_events.database.batches import batches
from tcs_events.database.streaming import stream

INSERT_ROWS = 1_000

Span = tuple[Unit, date]
"""A day, week or month, by its first day."""


class Around(NamedTuple):
    """A session's visits with an event type, as seen from one day."""

    earliest: date | None
    """The first visit, if it is before the day."""
    before: date | None
    """The last visit before the day."""
    is_there: bool
    """Whether there is a visit on the day."""
    after: date | None
    """The first visit after the day."""


NEVER = Around(None, None, is_there=False, after=None)
AllAround = dict[str, dict[str, Around]]
"""By session id and event type."""


class Came(NamedTuple):
    """A visit as it is counted: a row of the `visitors` table stands for all that are equal."""

    day: date
    event_type: str
    """"" for any type. The visit before is then the one before with any type."""
    is_first: bool
    """Whether it is the visitor's first visit with the type."""
    since: date
    """The day of the visit before with the type. If there is none, the day of the visitor's first
    visit with any type."""


class Row(NamedTuple):
    """The columns that tell the rows of the `visitors` table apart."""

    unit: Unit
    day: date
    event_type: str
    is_first: bool
    since: date


def visits_around(connection: Connection, day: date, sessions: Collection[str]) -> AllAround:
    """Return what the stored visits of the sessions are like around a day."""
    around: AllAround = defaultdict(dict)
    visits = tables.visits.c
    for batch in batches(sorted(sessions)):
        for row in connection.execute(_around(visits, day).where(visits.session_id.in_(batch))):
            event_type, type_around = _read(row)
            around[row.session_id][event_type] = type_around
    return around


def change_visitors(
    connection: Connection,
    day: date,
    around: AllAround,
    new_visits: Iterable[tuple[str, str]],
    gone_visits: Iterable[tuple[str, str]],
) -> None:
    """Count a change of a day's visits, in the transaction that changes them.

    Args:
        connection: in that transaction, which holds off other processes.
        day: the day.
        around: the visits of these sessions before the change.
        new_visits: the visits that are inserted: session ids and event types.
        gone_visits: the visits that are deleted.
    """
    now = {session_id: dict(types) for session_id, types in around.items()}
    for visits, is_there in ((new_visits, True), (gone_visits, False)):
        for session_id, event_type in visits:
            types = now.setdefault(session_id, {})
            types[event_type] = types.get(event_type, NEVER)._replace(is_there=is_there)
    differences: Counter[Came] = Counter()
    for session_id, types in now.items():
        differences.update(_came_around(types, day))
        differences.subtract(_came_around(around.get(session_id, {}), day))
    _add(connection, differences)


def forget_visitors(connection: Connection, visits: Iterable[tuple[str, date, str]]) -> None:
    """Take all visits of some sessions out of the counts, in the transaction that deletes them.

    Args:
        connection: in that transaction, which holds off other processes.
        visits: the session id, day and event type of each.
    """
    sessions: dict[str, dict[str, list[date]]] = defaultdict(lambda: defaultdict(list))
    for session_id, day, event_type in visits:
        sessions[session_id][event_type].append(day)
    differences: Counter[Came] = Counter()
    for types in sessions.values():
        all_days = {day for days in types.values() for day in days}
        for event_type, days in [*types.items(), (ALL_TYPES, list(all_days))]:
            before = None
            for day in sorted(days):
                differences[_came(day, event_type, before, min(all_days))] -= 1
                before = day
    _add(connection, differences)


def count_visitors(connection: Connection, day: date, share: Share | None = None) -> Counter[Came]:
    """Return how the visitors of a day came, from the stored visits of this day and before.

    Those of all sessions, or of a share of them.
    """
    without_compiling(connection)
    came: Counter[Came] = Counter()
    all_visits = tables.visits.alias()
    # As in `visits.count_retention`, days are not in WHERE, for the sake of PostgreSQL's plans.
    sessions = sessions_of_day(connection, day, share).subquery()
    query = (
        _around(all_visits.c, day)
        .select_from(sessions.join(all_visits, all_visits.c.session_id == sessions.c.session_id))
        .order_by(all_visits.c.session_id)
    )
    with stream(connection, query) as rows:
        for _, session_rows in groupby(rows, key=itemgetter(0)):
            visits_around_day = _came_around(dict(map(_read, session_rows)), day)
            came.update(each for each in visits_around_day if each.day == day)
    return came


def sessions_of_day(connection: Connection, day: date, share: Share | None) -> sa.Select[str]:
    """Return a query for the sessions with visits on a day, each once: all, or those of a share."""
    visits = tables.visits.c
    query = sa.select(visits.session_id).where(visits.day == day).distinct()
    if share is None:
        return query
    return query.where(is_in_share(connection.dialect.name, visits.session_id, share))


def without_compiling(connection: Connection) -> None:
    """Let PostgreSQL run queries about all visits of a day's sessions without compiling them.

    Without statistics it spends more time on compiling them than on running them (measured: 190 ms
    of 215): https://www.postgresql.org/docs/current/jit-decision.html
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL jit = off")


class SpanCounter:
    """Counts days, weeks and months anew, from days that come in their order."""

    def __init__(self) -> None:
        self._rows: dict[Span, Counter[Row]] = {}

    def add(self, day: date, came: Counter[Came]) -> dict[Span, Counter[Row]]:
        """Add a day. Return its rows, and those of the weeks and months that ended before it."""
        starts = _starts(day)
        ended = [(unit, start) for unit, start in self._rows if starts[unit] != start]
        done = {span: self._rows.pop(span) for span in ended}
        for row, visitors in _rows(came).items():
            self._rows.setdefault((row.unit, row.day), Counter())[row] += visitors
        for span in starts.items():
            self._rows.setdefault(span, Counter())
        return done | {("day", day): self._rows.pop(("day", day))}

    def rest(self) -> dict[Span, Counter[Row]]:
        """Return the rows of the weeks and months that `add` has not returned."""
        return self._rows


def replace_visitors(connection: Connection, span: Span, rows: Counter[Row]) -> None:
    """Replace the rows of a day, week or month, in a transaction that holds off others."""
    table, (unit, start) = tables.visitors, span
    connection.execute(table.delete().where(table.c.unit == unit, table.c.day == start))
    _insert(connection, rows)


def _around(visits: Any, day: date) -> sa.Select[Any]:
    """Return a query that `_read` reads. It needs to be grouped by session and event type."""
    is_before, is_after = visits.day < day, visits.day > day
    return sa.select(
        visits.session_id,
        visits.event_type,
        sa.func.min(sa.case((is_before, visits.day))),
        sa.func.max(sa.case((is_before, visits.day))),
        sa.func.max(sa.case((visits.day == day, 1), else_=0)),
        sa.func.min(sa.case((is_after, visits.day))),
    ).group_by(visits.session_id, visits.event_type)


def _read(row: Any) -> tuple[str, Around]:
    _, event_type, earliest, before, is_there, after = row
    return event_type, Around(earliest, before, bool(is_there), after)


def _came_around(types: Mapping[str, Around], day: date) -> Iterator[Came]:
    """Yield those visits of a session that may change if its visits on the day do.

    These are the visits on the day and the next ones. The visitor's first visit is another one only
    if it is one of these.
    """
    firsts = [first for around in types.values() if (first := _first(around, day)) is not None]
    if not firsts:
        return
    first = min(firsts)
    for event_type, (_, before, is_there, after) in [
        *types.items(),
        (ALL_TYPES, _of_all_types(types.values())),
    ]:
        if is_there:
            yield _came(day, event_type, before, first)
        if after is not None:
            yield _came(after, event_type, day if is_there else before, first)


def _first(around: Around, day: date) -> date | None:
    return around.earliest or (day if around.is_there else around.after)


def _of_all_types(types: Collection[Around]) -> Around:
    return Around(
        min((each.earliest for each in types if each.earliest is not None), default=None),
        max((each.before for each in types if each.before is not None), default=None),
        any(each.is_there for each in types),
        min((each.after for each in types if each.after is not None), default=None),
    )


def _came(day: date, event_type: str, before: date | None, first: date) -> Came:
    return Came(day, event_type, before is None, first if before is None else before)


def _starts(day: date) -> dict[Unit, date]:
    """Return the first day of the day itself, of its week and of its month."""
    return {"day": day, "week": monday_of(day), "month": day.replace(day=1)}


def _rows(came: Mapping[Came, int]) -> Counter[Row]:
    """Return the rows of the days, weeks and months of these visits, with how many there are.

    A week or a month is read as a whole, in a period that begins with it or before. A visit whose
    visit before is in the same week is then never counted, so it is left out.
    """
    rows: Counter[Row] = Counter()
    starts = {day: _starts(day) for day in {each.day for each in came}}
    for (day, event_type, is_first, since), visitors in came.items():
        for unit, start in starts[day].items():
            if is_first or since < start:
                rows[Row(unit, start, event_type, is_first, min(since, start))] += visitors
    return rows


def _add(connection: Connection, differences: Mapping[Came, int]) -> None:
    rows = {row: visitors for row, visitors in _rows(differences).items() if visitors}
    if not rows:
        return
    table, changed, row_ids = tables.visitors, Counter(rows), []
    types = {row.event_type for row in rows}
    for unit, unit_rows in groupby(sorted(rows), key=itemgetter(0)):
        for days in batches(sorted({row.day for row in unit_rows})):
            kept = connection.execute(
                sa.select(table).where(
                    table.c.unit == unit, table.c.day.in_(days), table.c.event_type.in_(types)
                )
            ).all()
            for row_id, *key, visitors in kept:
                if tuple(key) in rows:
                    row_ids.append(row_id)
                    changed[Row(*key)] += visitors
    for batch in batches(row_ids):
        connection.execute(table.delete().where(table.c.id.in_(batch)))
    _insert(connection, changed)


def _insert(connection: Connection, rows: Counter[Row]) -> None:
    # A count below 0 would mean that somebody has changed the tables by hand.
    values = [{**row._asdict(), "visitors": count} for row, count in rows.items() if count > 0]
    for batch in batches(values, INSERT_ROWS):
        connection.execute(tables.visitors.insert(), batch)
