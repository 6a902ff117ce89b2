"""Keeps the counts up to date: finds the days that something happened to, and counts them again.

Nothing is triggered by ingestion. A refresh looks for events that were stored since the last one,
whatever day they belong to, so that late events find their day. Rows become visible in the order
in which their transactions end, not in that of their ids; a refresh therefore looks again at
whatever the one before `SETTLED_AFTER` could have missed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.models import UserEvent
from tcs_events.rollups import tables
from tcs_events.rollups.counting import LEASE, DayCounter
from tcs_events.rollups.days import date_in, dates
from tcs_events.rollups.events import event_types
from tcs_events.rollups.facts import LOOK_AHEAD
from tcs_events.rollups.funnels import (
    DEFAULT_FUNNEL,
    find_funnel,
    keep_funnel,
    uncounted_days,
    unfinished_funnels,
)
from tcs_events.rollups.spans import build_span, missing_spans
from tcs_events.rollups.state import LeaseLost, ensure_state, update_state
from tcs_events.rollups.steps import Step
from tcs_events.rollups.time_limit import OutOfTime
from tcs_events.streaming import stream

VERSION = 4
"""Of what is counted, and how. Where it changes, everything is counted again."""
SETTLED_AFTER = timedelta(seconds=30)
"""By now a transaction that was open has ended; ours are ended after two seconds."""
IDS_IN_FLIGHT = 100_000
"""Rows that were being written while everything was counted have ids no further from the newest."""
FUNNEL_SECONDS = 20.0
"""So long a refresh counts new funnels for old days, before the days that go on are due again."""

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
        until: float | None = None,
    ) -> Refreshed | None:
        """Count what has changed, or with `rebuild` everything.

        Then funnels that somebody asked for since are counted for the days before, for about
        `funnel_seconds`; the next refresh goes on.

        Returns None where somebody else is at it.

        Raises:
            OutOfTime: it was `until`, a `monotonic()` time, before everything was counted. The next
                refresh counts it.
        """
        refreshed, holder, now = None, uuid4(), self._clock()
        with self._lease(holder, now) as state:
            if state is not None:
                refreshed = self._refresh(state, holder, now, rebuild, progress, until)
                with contextlib.suppress(OutOfTime):  # the days are counted
                    self._count_funnels(holder, funnel_seconds, until)
        return refreshed

    def count_funnel(
        self,
        steps: Sequence[Step],
        first: date,
        last: date,
        seconds: float,
        until: float | None = None,
    ) -> None:
        """Count a funnel for the days that it is not counted for yet, the newest ones first.

        It ends after the day at which `seconds` are over. Does nothing where somebody else counts:
        they do this, too.

        Raises:
            OutOfTime: it was `until`, a `monotonic()` time, in the middle of a day.
        """
        with self._engine.connect() as connection:
            funnel = find_funnel(connection, steps)
            if funnel is None or not uncounted_days(connection, funnel, first, last):
                return
        holder, now = uuid4(), self._clock()
        with self._lease(holder, now) as state:
            if state is not None and (state.version, state.zone) == (VERSION, self._zone.key):
                deadline = monotonic() + seconds
                self._counter(holder, until).count_funnel(funnel, first, last, deadline)

    @contextlib.contextmanager
    def _lease(self, holder: UUID, now: datetime) -> Iterator[sa.Row[Any] | None]:
        """Give the state as it was when the lease was taken, None where somebody else has it.

        Where it is lost the block just ends.
        """
        state = self._take_lease(holder, now)
        if state is None:
            yield None
            return
        try:
            yield state
        except LeaseLost:
            return
        except BaseException:
            # Whatever it was must get out: a lease that cannot be given back ends by itself.
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self._give_back_lease(holder, now)
            raise
        self._give_back_lease(holder, now)

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

    def _give_back_lease(self, holder: UUID, now: datetime) -> None:
        with contextlib.suppress(LeaseLost), self._engine.begin() as connection:
            update_state(connection, holder, lease_until=now, lease_holder=None, counting=None)

    def _counter(self, holder: UUID, until: float | None = None) -> DayCounter:
        return DayCounter(self._engine, self._zone, self._clock, holder, until)

    def _refresh(
        self,
        state: sa.Row[Any],
        holder: UUID,
        now: datetime,
        rebuild: bool,
        progress: Progress,
        until: float | None,
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
        counter = self._counter(holder, until)
        events, left = 0, []
        for done, of_day in enumerate(to_count):
            progress(done, len(to_count))
            counted = counter.count(of_day)
            if counted is None:
                left.append(of_day)
                continue
            events += counted
            counter.count_retention(of_day)
        progress(len(to_count), len(to_count))
        counter.count_stale_retention()
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
        with stream(connection, new) as rows:
            for at in rows.scalars():
                # Just after midnight it says how the queries of the day before have ended.
                changed |= {date_in(self._zone, at), date_in(self._zone, at - LOOK_AHEAD)}
        return sorted(changed)

    def _forget_everything(self, holder: UUID) -> None:
        with self._engine.begin() as connection:
            update_state(connection, holder, version=0)
            for table in tables.OF_EVENTS:
                connection.execute(table.delete())

    def _count_funnels(self, holder: UUID, seconds: float, until: float | None) -> None:
        """Count the funnels that somebody asked for since the days were counted."""
        deadline = monotonic() + seconds
        with self._engine.connect() as connection:
            unfinished = unfinished_funnels(connection)
        for funnel in unfinished:
            if monotonic() > deadline:
                return
            self._counter(holder, until).count_funnel(funnel, date.min, date.max, deadline)

    def _build_spans(self, holder: UUID) -> None:
        """Sum up the weeks and months that are over, and hold a day that was counted again."""
        with self._engine.connect() as connection:
            to_build = missing_spans(connection, date_in(self._zone, self._clock()))
        for span in to_build:
            with self._engine.begin() as connection:
                # From here on nobody else changes the days that are summed up.
                update_state(connection, holder, lease_until=self._clock() + LEASE)
                build_span(connection, span)
