"""Counts one day, and puts what was counted in the place of what was kept of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter, itemgetter
from time import monotonic
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.counts import tables
from tcs_events.counts.audit import check, keep_check
from tcs_events.counts.crossings import (
    count_crossings,
    crossing_sessions,
    forget_crossings,
    mark_crossings,
    replace_crossings,
    stale_crossings,
)
from tcs_events.counts.days import Day, day
from tcs_events.counts.events import StoredEvent, event_types, events_between
from tcs_events.counts.facts import LOOK_AHEAD, Demand, Exposure, Facts, Seen, Use
from tcs_events.counts.funnels import (
    WITHIN,
    Funnel,
    FunnelCounter,
    kept_funnels,
    replace_counts,
    uncounted_days,
)
from tcs_events.counts.spans import forget_spans
from tcs_events.counts.state import DayChanged, update_state
from tcs_events.counts.time_limit import OutOfTime, ended_at
from tcs_events.counts.visit import count_day
from tcs_events.counts.visits import (
    Kept,
    Visit,
    change_visits,
    count_retention,
    kept_visits,
)

LEASE = timedelta(minutes=5)
"""For so long nobody else refreshes; whoever has died meanwhile holds nobody up for longer."""
INSERT_ROWS = 1_000
ATTEMPTS = 2
"""So often a day is counted of which something is deleted meanwhile, until the next refresh."""
VISITS_AT_ONCE = 10_000
"""How many visits are written in one transaction."""


class DayCounter:
    """Counts days for the one who holds the lease, and prolongs it with each.

    Every method raises `LeaseLost` where it is somebody else's, and `OutOfTime` where there is an
    `until`, a `monotonic()` time, and it is over. The days that were counted by then are kept.
    """

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        holder: UUID,
        until: float | None = None,
    ) -> None:
        self._engine = engine
        self._zone = zone
        self._clock = clock
        self._holder = holder
        self._until = until

    def count(self, of_day: date) -> int | None:
        """Count a day, and return how many events it has.

        Where something of it goes on being deleted it is left stale, and the answer is None.
        """
        for _ in range(ATTEMPTS):
            self._begin(of_day)
            with contextlib.suppress(DayChanged):
                return self._replace(day(of_day, self._zone))
        with self._engine.begin() as connection:
            update_state(connection, self._holder)
            is_this = tables.days.c.day == of_day
            if not connection.execute(
                tables.days.update().where(is_this).values(is_stale=True)
            ).rowcount:
                nothing = {"events": 0, "is_stale": True, "is_retention_stale": False}
                connection.execute(tables.days.insert().values(day=of_day, **nothing))
        return None

    def count_retention(self, of_day: date) -> None:
        """Count who came back on a day."""
        with self._reading() as connection:
            rows = count_retention(connection, of_day)
        with self._engine.begin() as connection:
            # Whoever has changed a visit meanwhile has taken the lease away.
            self._prolong(connection)
            connection.execute(_retention_of(of_day))
            if rows:
                connection.execute(tables.retention.insert(), rows)
            connection.execute(
                tables.days.update()
                .where(tables.days.c.day == of_day)
                .values(is_retention_stale=False)
            )

    def count_stale_retention(self) -> None:
        """Count who came back on the days that had visitors who came first on another day."""
        with self._engine.connect() as connection:
            stale = select(tables.days.c.day).where(tables.days.c.is_retention_stale)
            days_to_count = sorted(connection.scalars(stale))
        for of_day in days_to_count:
            self.count_retention(of_day)

    def count_funnel(self, funnel: Funnel, first: date, last: date, deadline: float) -> None:
        """Count a funnel for the days that it is not counted for yet, the newest ones first.

        It ends after the day at which it is `deadline`, a `monotonic()` time.
        """
        with self._engine.connect() as connection:
            to_count = uncounted_days(connection, funnel, first, last)
        types = {one.event_type for one in funnel.steps}
        for of_day in to_count:
            self._begin(of_day)
            start, end = day(of_day, self._zone)[1:3]
            counter = FunnelCounter([funnel], is_long=end - start > WITHIN)
            later = FunnelCounter([funnel])
            with (
                self._reading() as connection,
                events_between(connection, start, end + WITHIN, types) as events,
            ):
                for _, session in _sessions(events):
                    counter.count(later.crossing(session, end))
            # A day of which something was deleted meanwhile is counted as a whole by the next.
            with contextlib.suppress(DayChanged), self._engine.begin() as connection:
                self._prolong(connection, of_day)
                replace_counts(connection, of_day, [funnel], counter.reached)
                replace_crossings(connection, of_day, [funnel], later.reached, is_all=False)
            if monotonic() > deadline:
                return

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Give a connection to read what is to be counted, as long as there is time."""
        with self._engine.connect() as connection:
            if self._until is None:
                yield connection
                return
            with ended_at(connection, self._until):
                yield connection

    def _check_time(self) -> None:
        if self._until is not None and monotonic() > self._until:
            raise OutOfTime

    def count_stale_crossings(self) -> None:
        """Count the funnel steps that were taken after the days on which funnels were entered."""
        with self._reading() as connection:
            funnels = kept_funnels(connection)
            sessions = {
                of_day: crossing_sessions(connection, day(of_day, self._zone), funnels)
                for of_day in stale_crossings(connection)
            }
        if nobody := [of_day for of_day, some in sessions.items() if not some]:
            with self._engine.begin() as connection:
                # Whoever has changed a visit meanwhile has taken the lease away.
                self._prolong(connection)
                forget_crossings(connection, nobody)
        for of_day, some in sessions.items():
            if some:
                self._count_crossings(of_day, funnels, some)

    def _count_crossings(
        self, of_day: date, funnels: Sequence[Funnel], sessions: Sequence[str]
    ) -> None:
        self._begin(of_day)
        with self._reading() as connection:
            reached = count_crossings(connection, day(of_day, self._zone), funnels, sessions)
        # A day of which something was deleted meanwhile is counted as a whole by the next.
        with contextlib.suppress(DayChanged), self._engine.begin() as connection:
            self._prolong(connection, of_day)
            replace_crossings(connection, of_day, funnels, reached, is_all=True)

    def _begin(self, of_day: date) -> None:
        """Say which day is counted, before anything of it is read."""
        with self._engine.begin() as connection:
            update_state(connection, self._holder, counting=of_day)

    def _prolong(self, connection: Connection, of_day: date | None = None) -> None:
        """Hold off everybody else until the transaction ends: nobody else changes what it does."""
        update_state(connection, self._holder, of_day, lease_until=self._clock() + LEASE)

    def _replace(self, of_day: Day) -> int:
        """Count a day and put it in the place of what was kept of it."""
        with self._reading() as connection:
            funnels = kept_funnels(connection)
            counter = FunnelCounter(funnels, is_long=of_day.end - of_day.start > WITHIN)
            until, types = of_day.end + LOOK_AHEAD, event_types(connection)
            # Before the events: what comes in between makes a difference at the next comparison.
            found = check(connection, of_day, types)
            with events_between(connection, of_day.start, until, types) as events:
                facts = count_day(of_day, _sessions(events), counter)
            kept = kept_visits(connection, of_day.date)
        self._change_visits(of_day.date, facts.visits, kept)
        with self._engine.begin() as connection:
            self._prolong(connection, of_day.date)  # first of all
            forget_spans(connection, of_day.date)
            for table in (*tables.COUNTS, tables.days):
                its_rows = table.delete().where(table.c.day == of_day.date)
                if table in tables.SPANNED:
                    its_rows = its_rows.where(table.c.unit == "day")
                connection.execute(its_rows)
            # Of all funnels: one that somebody asks for meanwhile is counted for the day later on.
            its_funnels = tables.funnel_counts.c.day == of_day.date
            connection.execute(tables.funnel_counts.delete().where(its_funnels))
            if facts.events:
                replace_counts(connection, of_day.date, funnels, counter.reached)
            else:  # otherwise they are counted in a moment
                connection.execute(_retention_of(of_day.date))
                forget_crossings(connection, [of_day.date])
            keep_check(connection, of_day.date, found, has_events=facts.events > 0)
            mark_crossings(connection, of_day)
            for table, rows in _rows(of_day.date, facts):
                for start in range(0, len(rows), INSERT_ROWS):
                    connection.execute(table.insert(), rows[start : start + INSERT_ROWS])
        return facts.events

    def _change_visits(self, of_day: date, visits: set[Visit], kept: Kept) -> None:
        """Keep a day's visits, a part at a time: SQLite lets nobody else write meanwhile."""
        new, gone = sorted(visits - kept.keys()), sorted(kept.keys() - visits)
        for start in range(0, max(len(new), len(gone)), VISITS_AT_ONCE):
            self._check_time()
            some = slice(start, start + VISITS_AT_ONCE)
            with self._engine.begin() as connection:
                self._prolong(connection, of_day)
                change_visits(connection, of_day, new[some], gone[some], kept)


def _retention_of(of_day: date) -> sa.Delete:
    return tables.retention.delete().where(tables.retention.c.day == of_day)


def _sessions(events: Iterable[StoredEvent]) -> Iterator[tuple[str, Iterator[Seen]]]:
    """Give the events of each session, not kept in memory: one session may have sent most."""
    for session_id, session in groupby(events, key=itemgetter(0)):
        yield session_id, (Seen(*event[1:]) for event in session)


def _rows(of_day: date, facts: Facts) -> Iterator[tuple[sa.Table, list[dict[str, object]]]]:
    """Give the rows that keep a day's facts, by their tables."""

    def rows_of(
        counts: dict[Any, Any], names: Sequence[str], kind: type, same: dict[str, object]
    ) -> list[dict[str, object]]:
        columns = [column.name for column in fields(kind)]
        counts_of = attrgetter(*columns)
        rows = []
        for key, counted in counts.items():
            row = dict(zip(columns, counts_of(counted), strict=True))
            row |= dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))
            rows.append(row | same)
        return rows

    names, spanned = ("starts_at", "event_type"), {"day": of_day, "unit": "day"}
    yield tables.activity, rows_of(facts.activity, names, Use, {"day": of_day})
    yield tables.uses, rows_of(facts.uses, ("kind", "name", "detail"), Use, spanned)
    yield tables.demand, rows_of(facts.demand, ("query",), Demand, spanned)
    yield tables.exposure, rows_of(facts.exposure, ("expert_id", "position"), Exposure, spanned)
    if facts.events:
        row = {"day": of_day, "events": facts.events, "is_stale": False, "is_retention_stale": True}
        yield tables.days, [row]
