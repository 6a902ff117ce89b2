"""Keeps the counts up to date: finds the days that have changed, and counts them again.

Storing an event triggers nothing. A refresh looks for the events that were stored since the last
refresh. It counts the days on which they happened, so late events are counted on the right day.

Rows become visible when their transactions end, which is not the order of their ids. So a refresh
also looks again at ids that an earlier refresh may have missed:

- ids that were new less than `SETTLED_AFTER` before it,
- ids of transactions that were open then (`open_transactions`).

It also compares some days with their events (`audit`).
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
"""The version of the counting rules. If it changes, everything is counted again."""
SETTLED_AFTER = timedelta(seconds=30)
"""After this time each of our own open transactions has ended. They last two seconds at most."""
IDS_IN_FLIGHT = 100_000
"""How far below the newest id there may be rows that were being written during a full count."""
MAX_LEASE = 2 * LEASE
"""A lease that ends later than this was taken with a wrong clock, and is ignored."""
FUNNEL_SECONDS = 20.0
"""How long a refresh counts new funnels for old days. It is short, because new events wait."""

Progress = Callable[[int, int], None]
"""Called with the number of days that are done, and the number of all days to count."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The result of a refresh."""

    days: list[date]
    """The days that were counted, oldest first."""
    events: int
    """The number of events on these days."""
    left: list[date]
    """The days that are left to the next refresh, because their events were being deleted."""


class Refresher:
    """Refreshes the counts of one database.

    Args:
        engine: the engine of the events' database.
        zone: the time zone of the days. If it changes, everything is counted again.
        clock: returns the time in UTC. None means the database's clock.
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
        """Return the UTC time up to which the counts are complete, None if there are no counts.

        Counts of another version or time zone are used as long as a newer process makes them.
        Otherwise everything must be counted again, and None is returned.
        """
        return self._refreshed_and_now()[0]

    def is_fresh(self, within: timedelta) -> bool:
        """Return whether the counts are no older than `within`, by the clock used for counting.

        Counts from the future are not fresh, because the clock was or is wrong.
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
                sightings = agreement.sightings(connection)
                if agreement.decides(sightings, self._configuration, now):
                    return None, now
        return row.refreshed_at, now

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the days that are counted."""
        return self._zone

    def oddities(self) -> list[Oddity]:
        """Return the oddities of the counts, an empty list if there are none."""
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
        """Return the clock of one refresh. It uses no connection, as a pool may have only one."""
        return steady(now) if self._is_by_database else self._clock

    def refresh(
        self,
        *,
        rebuild: bool = False,
        progress: Progress = lambda done, total: None,
        funnel_seconds: float = FUNNEL_SECONDS,
        until: float | None = None,
    ) -> Refreshed | None:
        """Count the days that have changed, or all days with `rebuild`.

        After that, new funnels are counted for old days, for about `funnel_seconds`. The next
        refresh continues with them.

        Returns None if another process is refreshing. Counts nothing if a newer process uses
        another version or time zone, except with `rebuild`: see `agreement`.

        Args:
            rebuild: count all days, with this process's version and time zone.
            progress: called before each day, and at the end.
            funnel_seconds: how long to count new funnels.
            until: the `monotonic()` time at which to stop, None for no limit.

        Raises:
            OutOfTime: not everything was counted before `until`. The next refresh counts the rest.
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
                with contextlib.suppress(OutOfTime):  # all days are counted, only funnels are left
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
        """Count a funnel for the days that lack its counts, the newest first.

        It stops after the first day that ends later than `seconds` from now. Does nothing if
        another process is counting: that process counts the funnel, too.

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
        """Note our configuration, and return whether it is used for counting."""
        ours = self._configuration
        with self._engine.connect() as connection:
            sightings = agreement.sightings(connection)
        is_noted = agreement.is_noted(sightings, ours, now)
        if is_noted and not insists and agreement.decides(sightings, ours, now):
            return True
        with self._engine.begin() as connection:
            ensure_state(connection, self._zone, now)
            # This update locks the state row: other processes wait until our note is committed.
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
        """Take the lease, and yield the state, or None if another process has the lease.

        If the lease is lost, the block ends without an error.
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
            # Raise the first error, not that of giving back: the lease ends by itself anyway.
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self._give_back_lease(holder, now)
            raise
        self._give_back_lease(holder, now)

    def _take_lease(self, holder: UUID, now: datetime) -> sa.Row[Any] | None:
        with self._engine.begin() as connection:
            ensure_state(connection, self._zone, now)
            lease = tables.state.c
            is_over = lease.lease_holder.is_(None) | (lease.lease_until <= now)
            is_from_wrong_clock = lease.lease_until > now + MAX_LEASE
            taken = connection.execute(
                tables.state.update()
                .where(is_over | is_from_wrong_clock)
                .values(lease_until=now + LEASE, lease_holder=holder, counting=None)
            )
            if taken.rowcount != 1:
                return None
            return connection.execute(select(tables.state)).one()

    def _give_back_lease(self, holder: UUID, now: datetime) -> None:
        with contextlib.suppress(LeaseLost), self._engine.begin() as connection:
            update_state(connection, holder, lease_until=now, lease_holder=None, counting=None)


class _Refresh:
    """One refresh, in the process that holds the lease."""

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
        """Count the days that have changed, or all days if the configuration has changed."""
        is_other = (state.version, state.zone) != ours
        is_all = rebuild or is_other
        with self._engine.connect() as connection:
            look = open_transactions.look(connection)
            # Not `now`, which is older: rows may have been written while this waited for the lease.
            look_at = self._clock()
            floors = open_transactions.noted(connection)
            if is_all:
                to_count = all_days(connection, self._zone)
            else:
                above_id = _look_above(state, look, floors)
                to_count = stale_days(connection)
                to_count |= days_of_new_events(connection, self._zone, above_id)
                to_count |= audit.changed_days(connection, to_count)
            has_default = find_funnel(connection, DEFAULT_FUNNEL) is not None
        if not has_default:
            with self._engine.begin() as connection:
                keep_funnel(connection, DEFAULT_FUNNEL, self._now)
        if is_other:  # otherwise the old counts of each day stay until it is counted again
            self._forget_everything(ours, is_takeover=state.version != 0)
        refreshed = self._count(sorted(to_count), progress)
        self._build_spans()
        self._finish(ours, look, look_at, floors, is_all=is_all)
        return refreshed

    def _count(self, to_count: Sequence[date], progress: Progress) -> Refreshed:
        events, left = 0, []
        for done, day in enumerate(to_count):
            progress(done, len(to_count))
            day_events = self._counter.count(day)
            if day_events is None:
                left.append(day)
                continue
            events += day_events
            self._counter.count_retention(day)
        progress(len(to_count), len(to_count))
        self._counter.count_stale_retention()
        self._counter.count_stale_crossings()
        return Refreshed([day for day in to_count if day not in left], events, left)

    def _finish(
        self,
        ours: Configuration,
        look: Look,
        look_at: datetime,
        floors: Floors,
        *,
        is_all: bool,
    ) -> None:
        """Store how far this refresh has come."""
        values: dict[str, Any] = {**ours._asdict(), "refreshed_at": self._now}
        with self._engine.begin() as connection:
            update_state(connection, self._holder)  # until the commit, no events can be deleted
            before = connection.execute(select(tables.state)).one()
            # SQLite uses the newest row's id again after that row is deleted.
            current_newest_id = connection.scalar(select(sa.func.max(UserEvent.id))) or 0
            newest_id = min(look.newest_id, current_newest_id)
            safe_id, seen_id = min(before.safe_id, newest_id), min(before.seen_id, newest_id)
            if is_all:
                safe_id = max(0, newest_id - IDS_IN_FLIGHT)
                values |= {"seen_id": newest_id, "seen_at": look_at}
            elif self._now - before.seen_at >= SETTLED_AFTER:
                # By now all rows below the id that was the newest then are visible.
                safe_id = seen_id
                values |= {"seen_id": newest_id, "seen_at": look_at}
            elif before.seen_at > self._now + agreement.SKEW:
                # The clock was set back, so the time since then is unknown: wait again.
                values |= {"seen_id": newest_id, "seen_at": look_at}
            else:
                values["seen_id"] = seen_id
            # Transactions that are noted for the first time began after the previous refresh, so
            # their ids are larger than the newest id of that refresh.
            floor = safe_id if is_all else before.seen_id
            still_open = {xid: floors.get(xid, floor) for xid in look.open}
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
        """Count the funnels that were added since the days were counted."""
        deadline = monotonic() + seconds
        with self._engine.connect() as connection:
            unfinished = unfinished_funnels(connection)
        for funnel in unfinished:
            if monotonic() > deadline:
                return
            self._counter.count_funnel(funnel, date.min, date.max, deadline)

    def _build_spans(self) -> None:
        """Build the spans that are over and do not exist, also those with a day counted again."""
        with self._engine.connect() as connection:
            to_build = missing_spans(connection, date_in(self._zone, self._clock()))
        for span in to_build:
            with self._engine.begin() as connection:
                # Until the commit, no other process can change the days of the span.
                update_state(connection, self._holder, lease_until=self._clock() + LEASE)
                build_span(connection, span)


def _look_above(state: sa.Row[Any], look: Look, floors: Floors) -> int:
    """Return the id above which there may be rows that no refresh has counted."""
    ended_floors = [above_id for xid, above_id in floors.items() if xid not in look.open]
    # The newest id is lower than before if rows were deleted by hand. SQLite then uses their ids
    # again, so these must be looked at again.
    return min([int(state.safe_id), look.newest_id, *ended_floors])
