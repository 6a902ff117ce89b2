"""Keeps the counts up to date: finds the days that something happened to, and counts them again.

Nothing is triggered by ingestion. A refresh looks for events that were stored since the last one,
whatever day they belong to, so that late events find their day. Rows become visible when their
transactions end, not in the order of their ids. So a refresh looks again at what the one before
`SETTLED_AFTER` could have missed, at the rows of transactions that were open then
(`open_transactions`), and compares days with what was counted of them (`audit`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Engine, select

from tcs_events.counts import agreement, open_transactions, tables
from tcs_events.counts.agreement import Configuration
from tcs_events.counts.audit import Audit
from tcs_events.counts.changes import all_days, days_of_new_events, stale_days
from tcs_events.counts.clock import Clock, database_time, steady
from tcs_events.counts.counting import LEASE, DayCounter
from tcs_events.counts.days import date_in
from tcs_events.counts.funnels import (
    DEFAULT_FUNNEL,
    find_funnel,
    keep_funnel,
    uncounted_days,
    unfinished_funnels,
)
from tcs_events.counts.oddities import Oddity, find_oddities
from tcs_events.counts.open_transactions import Floors, Look
from tcs_events.counts.spans import build_span, missing_spans
from tcs_events.counts.state import LeaseLost, ensure_state, update_state
from tcs_events.counts.steps import Step
from tcs_events.counts.time_limit import OutOfTime
from tcs_events.models import UserEvent
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import log_lines

VERSION = 4
"""Of what is counted, and how. Where it changes, everything is counted again."""
SETTLED_AFTER = timedelta(seconds=30)
"""By now a transaction of ours that was open has ended: they are ended after two seconds."""
IDS_IN_FLIGHT = 100_000
"""Rows that were being written while everything was counted have ids no further from the newest."""
MAX_LEASE = 2 * LEASE
"""One that ends later than this was taken by a clock that was wrong, and holds nobody up."""
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
        clock: the time in UTC; that of the database where it is None.
    """

    def __init__(self, engine: Engine, zone: ZoneInfo, clock: Clock | None = None) -> None:
        self._engine = engine
        self._zone = zone
        self._clock: Clock = clock or self._database_time
        self._audit = Audit(zone)

    @property
    def _configuration(self) -> Configuration:
        return Configuration(VERSION, self._zone.key)

    def refreshed_at(self) -> datetime | None:
        """Return until when the counts are complete, None where nothing is counted yet.

        Counts of another version or time zone are there to be read while a newer process makes
        them; else they are to be made anew.
        """
        return self._refreshed_and_now()[0]

    def is_fresh(self, within: timedelta) -> bool:
        """Return whether the counts are no older than `within`, by the clock they were made by.

        Counts of the future are not fresh: the clock was wrong then, or is now.
        """
        at, now = self._refreshed_and_now()
        return at is not None and -agreement.SKEW <= now - at <= within

    def _refreshed_and_now(self) -> tuple[datetime | None, datetime]:
        with self._engine.connect() as connection:
            now = database_time(connection) if self._is_by_database else self._clock()
            row = connection.execute(select(tables.state)).one_or_none()
            if row is None:
                return None, now
            if (row.version, row.zone) != self._configuration:
                seen = agreement.sightings(connection)
                if agreement.decides(seen, self._configuration, now):
                    return None, now
        return row.refreshed_at, now

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the days that are counted."""
        return self._zone

    def oddities(self) -> list[Oddity]:
        """Return what is odd about how the counts are made."""
        now = self._clock()
        with self._engine.connect() as connection:
            return list(find_oddities(connection, self._configuration, now))

    @property
    def _is_by_database(self) -> bool:
        return self._clock == self._database_time

    def _database_time(self) -> datetime:
        with self._engine.connect() as connection:
            return database_time(connection)

    def _clock_from(self, now: datetime) -> Clock:
        """Return the clock of one refresh. It needs no connection: a pool may have only one."""
        return steady(now) if self._is_by_database else self._clock

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

        Returns None where somebody else is at it. Nothing is counted where a newer process has
        another version or time zone, unless it is told to `rebuild`: see `agreement`.

        Raises:
            OutOfTime: it was `until`, a `monotonic()` time, before everything was counted. The next
                refresh counts it.
        """
        refreshed, holder, now = None, uuid4(), self._clock()
        if not self._is_ours_to_count(now, insists=rebuild):
            return Refreshed([], 0, [])
        with self._lease(holder, now) as state:
            if state is not None:
                clock = self._clock_from(now)
                refresh = _Refresh(self._engine, self._zone, clock, holder, now, until)
                refreshed = refresh.run(
                    state, self._configuration, self._audit, rebuild=rebuild, progress=progress
                )
                with contextlib.suppress(OutOfTime):  # the days are counted
                    refresh.count_funnels(funnel_seconds)
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
            if state is not None and (state.version, state.zone) == self._configuration:
                counter = DayCounter(self._engine, self._zone, self._clock_from(now), holder, until)
                counter.count_funnel(funnel, first, last, monotonic() + seconds)

    def _is_ours_to_count(self, now: datetime, *, insists: bool) -> bool:
        """Note that we are there, and return whether counts are made with our configuration."""
        ours = self._configuration
        with self._engine.connect() as connection:
            seen = agreement.sightings(connection)
        is_noted = agreement.is_noted(seen, ours, now)
        if is_noted and not insists and agreement.decides(seen, ours, now):
            return True
        with self._engine.begin() as connection:
            ensure_state(connection, self._zone, now)
            # Whoever else notes something waits for this transaction.
            connection.execute(tables.state.update().values(id=tables.state.c.id))
            if agreement.note(connection, ours, now, insists=insists):
                return True
            state = connection.execute(select(tables.state)).one()
        if log_lines.allows("counts_of_another_configuration", per_second=1):
            log.warning(
                "tcs_events.counts_of_another_configuration",
                version=state.version,
                zone=state.zone,
                our_version=VERSION,
                our_zone=self._zone.key,
            )
        return False

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
            lease = tables.state.c
            is_over = lease.lease_holder.is_(None) | (lease.lease_until <= now)
            is_of_the_future = lease.lease_until > now + MAX_LEASE
            taken = connection.execute(
                tables.state.update()
                .where(is_over | is_of_the_future)
                .values(lease_until=now + LEASE, lease_holder=holder, counting=None)
            )
            if taken.rowcount != 1:
                return None
            return connection.execute(select(tables.state)).one()

    def _give_back_lease(self, holder: UUID, now: datetime) -> None:
        with contextlib.suppress(LeaseLost), self._engine.begin() as connection:
            update_state(connection, holder, lease_until=now, lease_holder=None, counting=None)


class _Refresh:
    """One refresh, by the one who holds the lease."""

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        clock: Clock,
        holder: UUID,
        now: datetime,
        until: float | None,
    ) -> None:
        self._engine = engine
        self._zone = zone
        self._clock = clock
        self._holder = holder
        self._now = now
        self._counter = DayCounter(engine, zone, clock, holder, until)

    def run(
        self,
        state: sa.Row[Any],
        ours: Configuration,
        audit: Audit,
        *,
        rebuild: bool,
        progress: Progress,
    ) -> Refreshed:
        """Count what has changed; everything where it was counted with another configuration."""
        is_other = (state.version, state.zone) != ours
        is_all = rebuild or is_other
        with self._engine.connect() as connection:
            seen = open_transactions.look(connection)
            # Not `now`: the lease may have been waited for, while rows were being written.
            seen_at = self._clock()
            floors = open_transactions.noted(connection)
            if is_all:
                to_count = all_days(connection, self._zone)
            else:
                above_id = _look_above(state, seen, floors)
                to_count = stale_days(connection)
                to_count |= days_of_new_events(connection, self._zone, above_id)
                to_count |= audit.changed_days(connection, to_count)
            has_default = find_funnel(connection, DEFAULT_FUNNEL) is not None
        if not has_default:
            with self._engine.begin() as connection:
                keep_funnel(connection, DEFAULT_FUNNEL, self._now)
        if is_other:  # else each day stays until it is counted again
            self._forget_everything(ours, is_takeover=state.version != 0)
        refreshed = self._count(sorted(to_count), progress)
        self._build_spans()
        self._finish(ours, seen, seen_at, floors, is_all=is_all)
        return refreshed

    def _count(self, to_count: Sequence[date], progress: Progress) -> Refreshed:
        events, left = 0, []
        for done, of_day in enumerate(to_count):
            progress(done, len(to_count))
            counted = self._counter.count(of_day)
            if counted is None:
                left.append(of_day)
                continue
            events += counted
            self._counter.count_retention(of_day)
        progress(len(to_count), len(to_count))
        self._counter.count_stale_retention()
        self._counter.count_stale_crossings()
        return Refreshed([of_day for of_day in to_count if of_day not in left], events, left)

    def _finish(
        self,
        ours: Configuration,
        seen: Look,
        seen_at: datetime,
        floors: Floors,
        *,
        is_all: bool,
    ) -> None:
        """Say how far this refresh has come."""
        values: dict[str, Any] = {**ours._asdict(), "refreshed_at": self._now}
        with self._engine.begin() as connection:
            update_state(connection, self._holder)  # from here on nothing is deleted
            before = connection.execute(select(tables.state)).one()
            # SQLite gives the newest row's id once more after that row is gone.
            still_there = connection.scalar(select(sa.func.max(UserEvent.id))) or 0
            newest_id = min(seen.newest_id, still_there)
            safe_id, seen_id = min(before.safe_id, newest_id), min(before.seen_id, newest_id)
            if is_all:
                safe_id = max(0, newest_id - IDS_IN_FLIGHT)
                values |= {"seen_id": newest_id, "seen_at": seen_at}
            elif self._now - before.seen_at >= SETTLED_AFTER:
                # What was the newest a while ago has no gaps below it any more.
                safe_id = seen_id
                values |= {"seen_id": newest_id, "seen_at": seen_at}
            elif before.seen_at > self._now + agreement.SKEW:
                # The clock was set back. Nobody knows how long ago that was: wait once more.
                values |= {"seen_id": newest_id, "seen_at": seen_at}
            else:
                values["seen_id"] = seen_id
            # Those that are new to us began after the refresh before: their ids are above that.
            floor = safe_id if is_all else before.seen_id
            still_open = {xid: floors.get(xid, floor) for xid in seen.open}
            open_transactions.note(connection, still_open)
            values["safe_id"] = safe_id
            update_state(connection, self._holder, **values)

    def _forget_everything(self, ours: Configuration, *, is_takeover: bool) -> None:
        with self._engine.begin() as connection:
            update_state(connection, self._holder, version=0)
            if is_takeover:
                agreement.note_takeover(connection, ours)
            for table in tables.OF_EVENTS:
                connection.execute(table.delete())

    def count_funnels(self, seconds: float) -> None:
        """Count the funnels that somebody asked for since the days were counted."""
        deadline = monotonic() + seconds
        with self._engine.connect() as connection:
            unfinished = unfinished_funnels(connection)
        for funnel in unfinished:
            if monotonic() > deadline:
                return
            self._counter.count_funnel(funnel, date.min, date.max, deadline)

    def _build_spans(self) -> None:
        """Sum up the weeks and months that are over, and hold a day that was counted again."""
        with self._engine.connect() as connection:
            to_build = missing_spans(connection, date_in(self._zone, self._clock()))
        for span in to_build:
            with self._engine.begin() as connection:
                # From here on nobody else changes the days that are summed up.
                update_state(connection, self._holder, lease_until=self._clock() + LEASE)
                build_span(connection, span)


def _look_above(state: sa.Row[Any], seen: Look, floors: Floors) -> int:
    """Return the id above which there may be rows that no refresh has seen."""
    ended = [above_id for xid, above_id in floors.items() if xid not in seen.open]
    # Ids that were given once more, after rows were deleted by hand, are looked at again.
    return min([int(state.safe_id), seen.newest_id, *ended])
