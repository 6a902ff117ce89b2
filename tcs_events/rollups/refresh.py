"""Keeps the counts up to date: finds the days that something happened to, and counts them again.

Nothing is triggered by ingestion. A refresh looks for events that were stored since the last one,
whatever day they belong to, so that late events find their day. Rows become visible in the order
in which their transactions end, not in that of their ids; a refresh therefore looks again at
whatever the one before `SETTLED_AFTER` could have missed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.models import UserEvent
from tcs_events.rollups import tables
from tcs_events.rollups.days import Day, date_in, dates, day
from tcs_events.rollups.events import event_types, events_between
from tcs_events.rollups.facts import LOOK_AHEAD, Demand, Exposure, Facts, Seen, Use, count_day
from tcs_events.rollups.funnels import (
    DEFAULT_FUNNEL,
    Funnel,
    FunnelCounter,
    find_funnel,
    keep_funnel,
    kept_funnels,
    replace_counts,
    uncounted_days,
    unfinished_funnels,
)
from tcs_events.rollups.spans import build_span, forget_spans, missing_spans
from tcs_events.rollups.state import DayChanged, LeaseLost, ensure_state, update_state
from tcs_events.rollups.steps import Step
from tcs_events.rollups.visits import (
    Kept,
    Visit,
    change_visits,
    count_retention,
    kept_visits,
)
from tcs_events.streaming import stream

VERSION = 3
"""Of what is counted, and how. Where it changes, everything is counted again."""
SETTLED_AFTER = timedelta(seconds=30)
"""By now a transaction that was open has ended; ours are ended after two seconds."""
LEASE = timedelta(minutes=5)
"""For so long nobody else refreshes; whoever has died meanwhile holds nobody up for longer."""
IDS_IN_FLIGHT = 100_000
"""Rows that were being written while everything was counted have ids no further from the newest."""
INSERT_ROWS = 1_000
FUNNEL_SECONDS = 20.0
"""So long a refresh counts new funnels for old days, before the days that go on are due again."""
ATTEMPTS = 2
"""So often a day is counted of which something is deleted meanwhile, until the next refresh."""
VISITS_AT_ONCE = 10_000
"""How many visits are written in one transaction."""

Progress = Callable[[int, int], None]
"""Is told how many days are done, and how many there are to do."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did."""

    days: list[date]
    """The days that were counted (again), oldest first."""
    events: int
    """How many events these hold."""
    left: list[date]
    """The days that are left to the next refresh: something of them was being deleted."""


class Refresher:
    """Refreshes the counts of one database.

    Args:
        engine: of the database that holds the events.
        zone: whose days are counted. Where it changes, everything is counted again.
        clock: the time in UTC.
    """

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._zone = zone
        self._clock = clock

    def refreshed_at(self) -> datetime | None:
        """Return until when the counts are complete, None where nothing is counted yet."""
        with self._engine.connect() as connection:
            row = connection.execute(select(tables.state)).one_or_none()
        if row is None or (row.version, row.zone) != (VERSION, self._zone.key):
            return None
        at: datetime | None = row.refreshed_at
        return at

    def refresh(
        self,
        *,
        rebuild: bool = False,
        progress: Progress = lambda done, of: None,
        funnel_seconds: float = FUNNEL_SECONDS,
    ) -> Refreshed | None:
        """Count what has changed, or with `rebuild` everything.

        Then funnels that somebody asked for since are counted for the days before, for about
        `funnel_seconds`; the next refresh goes on.

        Returns None where somebody else is at it.
        """
        holder, now = uuid4(), self._clock()
        state = self._take_lease(holder, now)
        if state is None:
            return None
        try:
            refreshed = self._refresh(state, holder, now, rebuild, progress)
            with contextlib.suppress(LeaseLost):
                self._count_funnels(holder, funnel_seconds)
            return refreshed
        except LeaseLost:
            return None
        finally:
            with contextlib.suppress(LeaseLost), self._engine.begin() as connection:
                update_state(connection, holder, lease_until=now, lease_holder=None, counting=None)

    def count_funnel(self, steps: Sequence[Step], first: date, last: date, seconds: float) -> None:
        """Count a funnel for the days that it is not counted for yet, the newest ones first.

        It ends after the day at which `seconds` are over. Does nothing where somebody else counts:
        they do this, too.
        """
        with self._engine.connect() as connection:
            funnel = find_funnel(connection, steps)
            if funnel is None or not uncounted_days(connection, funnel, first, last):
                return
        holder, now = uuid4(), self._clock()
        state = self._take_lease(holder, now)
        if state is None:
            return
        try:
            if (state.version, state.zone) == (VERSION, self._zone.key):
                self._count_one_funnel(funnel, first, last, holder, monotonic() + seconds)
        except LeaseLost:
            return
        finally:
            with contextlib.suppress(LeaseLost), self._engine.begin() as connection:
                update_state(connection, holder, lease_until=now, lease_holder=None, counting=None)

    def _take_lease(self, holder: UUID, now: datetime) -> sa.Row[Any] | None:
        with self._engine.begin() as connection:
            ensure_state(connection, self._zone, now)
            taken = connection.execute(
                tables.state.update()
                .where(tables.state.c.lease_holder.is_(None) | (tables.state.c.lease_until <= now))
                .values(lease_until=now + LEASE, lease_holder=holder, counting=None)
            )
            if taken.rowcount != 1:
                return None
            return connection.execute(select(tables.state)).one()

    def _refresh(
        self,
        state: sa.Row[Any],
        holder: UUID,
        now: datetime,
        rebuild: bool,
        progress: Progress,
    ) -> Refreshed:
        is_other = (state.version, state.zone) != (VERSION, self._zone.key)
        is_all = rebuild or is_other
        with self._engine.connect() as connection:
            newest_id = connection.scalar(select(sa.func.max(UserEvent.id))) or 0
            # Not `now`: the lease may have been waited for, while rows were being written.
            seen_at = self._clock()
            if is_all:
                to_count = self._all_dates(connection)
            else:
                to_count = self._changed_dates(connection, state.safe_id)
            has_default = find_funnel(connection, DEFAULT_FUNNEL) is not None
        if not has_default:
            with self._engine.begin() as connection:
                keep_funnel(connection, DEFAULT_FUNNEL, now)
        if is_other:  # else each day stays until it is counted again
            self._forget_everything(holder)
        events, left = 0, []
        for done, of_day in enumerate(to_count):
            progress(done, len(to_count))
            counted = self._count(day(of_day, self._zone), holder)
            if counted is None:
                left.append(of_day)
                continue
            events += counted
            self._count_retention(of_day, holder)
        progress(len(to_count), len(to_count))
        self._count_stale_retention(holder)
        self._build_spans(holder)
        values: dict[str, Any] = {
            "version": VERSION,
            "zone": self._zone.key,
            "refreshed_at": now,
        }
        with self._engine.begin() as connection:
            update_state(connection, holder)  # from here on nothing is deleted
            # SQLite gives the newest row's id once more after that row is gone.
            still_there = connection.scalar(select(sa.func.max(UserEvent.id))) or 0
            newest_id = min(newest_id, still_there)
            if is_all:
                safe_id = max(0, newest_id - IDS_IN_FLIGHT)
                values |= {"safe_id": safe_id, "seen_id": newest_id, "seen_at": seen_at}
            elif now - state.seen_at >= SETTLED_AFTER:
                # What was the newest a while ago has no gaps below it any more.
                seen_before = tables.state.c.seen_id
                values |= {"safe_id": seen_before, "seen_id": newest_id, "seen_at": seen_at}
            update_state(connection, holder, **values)
        counted_days = [of_day for of_day in to_count if of_day not in left]
        return Refreshed(counted_days, events, left)

    def _all_dates(self, connection: Connection) -> list[date]:
        bounds = [
            connection.execute(
                select(sa.func.min(UserEvent.created_at), sa.func.max(UserEvent.created_at)).where(
                    UserEvent.event_type == event_type
                )
            ).one()
            for event_type in event_types(connection)
        ]
        counted = set(connection.scalars(select(tables.days.c.day)))
        if bounds:
            first = date_in(self._zone, min(at for at, _ in bounds))
            last = date_in(self._zone, max(at for _, at in bounds))
            counted.update(dates(first, last))
        return sorted(counted)

    def _changed_dates(self, connection: Connection, after_id: int) -> list[date]:
        changed = set(connection.scalars(select(tables.days.c.day).where(tables.days.c.is_stale)))
        new = select(UserEvent.created_at).where(UserEvent.id > after_id)
        for at in stream(connection, new).scalars():
            # Just after midnight it says how the queries of the day before have ended.
            changed |= {date_in(self._zone, at), date_in(self._zone, at - LOOK_AHEAD)}
        return sorted(changed)

    def _forget_everything(self, holder: UUID) -> None:
        with self._engine.begin() as connection:
            update_state(connection, holder, version=0)
            for table in tables.OF_EVENTS:
                connection.execute(table.delete())

    def _count(self, of_day: Day, holder: UUID) -> int | None:
        """Count a day, and return how many events it has.

        Where something of it goes on being deleted it is left stale, and the answer is None.
        """
        for _ in range(ATTEMPTS):
            self._begin(of_day.date, holder)
            with contextlib.suppress(DayChanged):
                return self._replace(of_day, holder)
        with self._engine.begin() as connection:
            update_state(connection, holder)
            is_this = tables.days.c.day == of_day.date
            if not connection.execute(
                tables.days.update().where(is_this).values(is_stale=True)
            ).rowcount:
                nothing = {"events": 0, "is_stale": True, "is_retention_stale": False}
                connection.execute(tables.days.insert().values(day=of_day.date, **nothing))
        return None

    def _begin(self, of_day: date, holder: UUID) -> None:
        """Say which day is counted, before anything of it is read."""
        with self._engine.begin() as connection:
            update_state(connection, holder, counting=of_day)

    def _replace(self, of_day: Day, holder: UUID) -> int:
        """Count a day and put it in the place of what was kept of it."""
        with self._engine.connect() as connection:
            funnels = kept_funnels(connection)
            counter = FunnelCounter(funnels)
            facts = count_day(of_day, _sessions(connection, of_day), counter)
            kept = kept_visits(connection, of_day.date)
        self._change_visits(of_day.date, facts.visits, kept, holder)
        with self._engine.begin() as connection:
            # First of all: it holds off everybody else until this day is in its place.
            update_state(connection, holder, of_day.date, lease_until=self._clock() + LEASE)
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
            else:  # otherwise it is counted in a moment
                connection.execute(_retention_of(of_day.date))
            for table, rows in _rows(of_day.date, facts):
                for start in range(0, len(rows), INSERT_ROWS):
                    connection.execute(table.insert(), rows[start : start + INSERT_ROWS])
        return facts.events

    def _change_visits(self, of_day: date, visits: set[Visit], kept: Kept, holder: UUID) -> None:
        """Keep a day's visits, a part at a time: SQLite lets nobody else write meanwhile."""
        new, gone = sorted(visits - kept.keys()), sorted(kept.keys() - visits)
        for start in range(0, max(len(new), len(gone)), VISITS_AT_ONCE):
            some = slice(start, start + VISITS_AT_ONCE)
            with self._engine.begin() as connection:
                update_state(connection, holder, of_day, lease_until=self._clock() + LEASE)
                change_visits(connection, of_day, new[some], gone[some], kept)

    def _count_stale_retention(self, holder: UUID) -> None:
        """Count who came back on the days that had visitors who came first on another day."""
        with self._engine.connect() as connection:
            stale = select(tables.days.c.day).where(tables.days.c.is_retention_stale)
            days_to_count = sorted(connection.scalars(stale))
        for of_day in days_to_count:
            self._count_retention(of_day, holder)

    def _count_retention(self, of_day: date, holder: UUID) -> None:
        with self._engine.connect() as connection:
            rows = count_retention(connection, of_day)
        with self._engine.begin() as connection:
            # Whoever has changed a visit meanwhile has taken the lease away.
            update_state(connection, holder, lease_until=self._clock() + LEASE)
            connection.execute(_retention_of(of_day))
            if rows:
                connection.execute(tables.retention.insert(), rows)
            connection.execute(
                tables.days.update()
                .where(tables.days.c.day == of_day)
                .values(is_retention_stale=False)
            )

    def _count_funnels(self, holder: UUID, seconds: float) -> None:
        """Count the funnels that somebody asked for since the days were counted."""
        deadline = monotonic() + seconds
        with self._engine.connect() as connection:
            unfinished = unfinished_funnels(connection)
        for funnel in unfinished:
            if monotonic() > deadline:
                return
            self._count_one_funnel(funnel, date.min, date.max, holder, deadline)

    def _count_one_funnel(
        self, funnel: Funnel, first: date, last: date, holder: UUID, deadline: float
    ) -> None:
        with self._engine.connect() as connection:
            to_count = uncounted_days(connection, funnel, first, last)
        types = {one.event_type for one in funnel.steps}
        for of_day in to_count:
            self._begin(of_day, holder)
            start, end = day(of_day, self._zone)[1:3]
            counter = FunnelCounter([funnel])
            with self._engine.connect() as connection:
                events = events_between(connection, start, end, types)
                for _, session in groupby(events, key=lambda row: row[0]):
                    counter.count(Seen(*event[1:]) for event in session)
            # A day of which something was deleted meanwhile is counted as a whole by the next.
            with contextlib.suppress(DayChanged), self._engine.begin() as connection:
                update_state(connection, holder, of_day, lease_until=self._clock() + LEASE)
                replace_counts(connection, of_day, [funnel], counter.reached)
            if monotonic() > deadline:
                return

    def _build_spans(self, holder: UUID) -> None:
        """Sum up the weeks and months that are over, and hold a day that was counted again."""
        with self._engine.connect() as connection:
            to_build = missing_spans(connection, date_in(self._zone, self._clock()))
        for span in to_build:
            with self._engine.begin() as connection:
                # As in `_count`: from here on nobody else changes the days that are summed up.
                update_state(connection, holder, lease_until=self._clock() + LEASE)
                build_span(connection, span)


def _retention_of(of_day: date) -> sa.Delete:
    return tables.retention.delete().where(tables.retention.c.day == of_day)


def _sessions(connection: Connection, of_day: Day) -> Iterator[tuple[str, list[Seen]]]:
    """Give the events of each session of a day, oldest first, and a little of the next day."""
    rows = events_between(
        connection, of_day.start, of_day.end + LOOK_AHEAD, event_types(connection)
    )
    for session_id, events in groupby(rows, key=lambda row: row[0]):
        yield session_id, [Seen(event_type, payload, at) for _, event_type, payload, at in events]


def _rows(of_day: date, facts: Facts) -> Iterator[tuple[sa.Table, list[dict[str, object]]]]:
    """Give the rows that keep a day's facts, by their tables."""

    def rows_of(
        counts: dict[Any, Any], names: Sequence[str], kind: type, leave_out: Sequence[str] = ()
    ) -> list[dict[str, object]]:
        columns = [column.name for column in fields(kind)]
        rows = []
        for key, counted in counts.items():
            row = dict(zip(columns, astuple(counted), strict=True))
            row |= dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))
            row |= {"day": of_day, "unit": "day"}
            rows.append({name: value for name, value in row.items() if name not in leave_out})
        return rows

    names = ("starts_at", "event_type")
    yield tables.activity, rows_of(facts.activity, names, Use, leave_out=["sample", "unit"])
    yield tables.uses, rows_of(facts.uses, ("kind", "name", "detail"), Use)
    yield tables.demand, rows_of(facts.demand, ("query",), Demand)
    yield tables.exposure, rows_of(facts.exposure, ("expert_id", "position"), Exposure)
    if facts.events:
        row = {"day": of_day, "events": facts.events, "is_stale": False, "is_retention_stale": True}
        yield tables.days, [row]
