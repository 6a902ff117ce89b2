"""Keeps the counts up to date: finds the days that have changed, and counts them again.

Storing an event triggers nothing. A refresh looks for the events that were stored since the last
refresh. It counts the days on which they happened, so late events are counted on the right day.

It also looks again at ids that an earlier refresh may have missed (`position`), and compares some
days with their events (`audit`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.counts import agreement, open_transactions, tables
from tcs_events.counts.agreement import Configuration
from tcs_events.counts.audit import Audit, Difference, uncounted
from tcs_events.counts.changes import NewOfDay, all_days, days_of_new_events, stale_days
from tcs_events.counts.clock import Clock, database_time, steady
from tcs_events.counts.counting import DayCounter
from tcs_events.counts.course_counting import CourseCounter
from tcs_events.counts.days import date_in
from tcs_events.counts.days import day as day_of
from tcs_events.counts.funnels import (
    find_funnel,
    keep_funnel,
    uncounted_days,
    unfinished_funnels,
)
from tcs_events.counts.kept_courses import count_all_again
from tcs_events.counts.lease import Lease, leased
from tcs_events.counts.meaning import MARKETPLACE_MEANING, Meaning
from tcs_events.counts.oddities import Oddity, find_oddities
from tcs_events.counts.position import Position
from tcs_events.counts.processes import counting_together
from tcs_events.counts.sampled import forget_without_visits
from tcs_events.counts.snapshot import hold_still
from tcs_events.counts.spans import build_span, missing_spans
from tcs_events.counts.state import ensure_state, lock_state
from tcs_events.counts.steps import Step
from tcs_events.counts.time_limit import OutOfTime
from tcs_events.counts.versions import forget_all_versions
from tcs_events.counts.visitors import SpanCounter
from tcs_events.database.schemas import has_table
from tcs_events.errors import CountingEnded
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import log_lines

FUNNEL_SECONDS = 20.0
"""How long a refresh counts new funnels for old days. It is short, because new events wait."""

Progress = Callable[[int, int, int | None], None]
"""Called with the number of days that are done, that of all days, and that of the events on the
days that are done; None if events are not counted."""


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
        meaning: what the event types mean. If a role changes, everything is counted again.
        clock: returns the time in UTC. None means the database's clock.
    """

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        meaning: Meaning = MARKETPLACE_MEANING,
        clock: Clock | None = None,
    ) -> None:
        self.zone = zone
        """The time zone of the days that are counted."""
        self.meaning = meaning
        """What the event types mean for the counts."""
        self._engine = engine
        self._clock = clock
        self._audit = Audit(zone)

    @property
    def configuration(self) -> Configuration:
        """What the counts of this process depend on."""
        return Configuration(self.meaning.version, self.zone.key)

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
            now = self._clock() if self._clock else database_time(connection)
            row = connection.execute(select(tables.state)).one_or_none()
            if row is None:
                return None, now
            if _configuration_of(row) != self.configuration:
                sightings = agreement.sightings(connection)
                if agreement.decides(sightings, self.configuration, now):
                    return None, now
        return row.refreshed_at, now

    def oddities(self) -> list[Oddity]:
        """Return the oddities of the counts, an empty list if there are none."""
        now = self._now()
        with self._engine.connect() as connection:
            return list(find_oddities(connection, self.configuration, now))

    def _now(self) -> datetime:
        if self._clock:
            return self._clock()
        with self._engine.connect() as connection:
            return database_time(connection)

    def _leased(self, now: datetime) -> AbstractContextManager[Lease | None]:
        # The clock of a refresh uses no connection, because a pool may have only one.
        return leased(self._engine, self.zone, now, self._clock or steady(now))

    def refresh(
        self,
        *,
        rebuild: bool = False,
        progress: Progress = lambda done, days, events: None,
        funnel_seconds: float = FUNNEL_SECONDS,
        until: float | None = None,
        processes: int = 1,
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
            processes: how many processes count if everything is counted. On macOS and Windows, and
                with SQLite in memory, it is always one.

        Raises:
            CountingEnded: one of several processes has ended. The next refresh counts the rest.
            OutOfTime: not everything was counted before `until`. The next refresh counts the rest.
        """
        refreshed, now = None, self._now()
        if not self._is_ours_to_count(now, insists=rebuild):
            return Refreshed([], 0, [])
        with self._leased(now) as lease:
            if lease is not None:
                refresh = _Refresh(self._engine, self.zone, self.meaning, lease, now, until)
                refreshed = refresh.run(
                    self.configuration,
                    self._audit,
                    rebuild=rebuild,
                    progress=progress,
                    processes=processes,
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
        with self._leased(self._now()) as lease:
            if lease is not None and _configuration_of(lease.state) == self.configuration:
                counter = DayCounter(self._engine, self.zone, self.meaning, lease, until)
                counter.count_funnel(funnel, first, last, monotonic() + seconds)

    def _is_ours_to_count(self, now: datetime, *, insists: bool) -> bool:
        """Note our configuration, and return whether it is used for counting."""
        ours = self.configuration
        with self._engine.connect() as connection:
            sightings = agreement.sightings(connection)
        is_noted = agreement.is_noted(sightings, ours, now)
        if is_noted and not insists and agreement.decides(sightings, ours, now):
            return True
        with self._engine.connect() as connection:
            ensure_state(connection, self.zone, now)
            with connection.begin():
                lock_state(connection)  # until our note is committed
                if agreement.note(connection, ours, now, insists=insists):
                    return True
                state = connection.execute(select(tables.state)).one()
        if log_lines.allows("counts_of_another_configuration", per_second=1):
            log.warning(
                "tcs_events.counts_of_another_configuration",
                version=state.version,
                zone=state.zone,
                our_version=ours.version,
                our_zone=self.zone.key,
            )
        return False


class _Refresh:
    """One refresh, in the process that holds the lease."""

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        meaning: Meaning,
        lease: Lease,
        now: datetime,
        until: float | None,
    ) -> None:
        self._engine = engine
        self._zone = zone
        self._default_funnel = meaning.default_funnel
        self._declared = meaning.declared
        self._lease = lease
        self._now = now
        self._counter = DayCounter(engine, zone, meaning, lease, until)
        self._courses = CourseCounter(engine, zone, meaning.roles, lease, until)

    def run(
        self,
        ours: Configuration,
        audit: Audit,
        *,
        rebuild: bool,
        progress: Progress,
        processes: int,
    ) -> Refreshed:
        """Count the days that have changed, or all days if the configuration has changed."""
        state = self._lease.state
        is_other = _configuration_of(state) != ours
        is_all = rebuild or is_other
        with self._engine.connect() as connection:
            hold_still(connection)  # what is new must account for what is changed
            look = open_transactions.look(connection)
            # Not `now`, which is older: rows may have been written while this waited for the lease.
            position = Position(look, self._lease.clock(), open_transactions.noted(connection))
            new: dict[date, NewOfDay] = {}
            if is_all:
                to_count = all_days(connection, self._zone)
            else:
                to_count = stale_days(connection)
                changed = audit.changed_days(connection, to_count)
                above_id = position.uncounted_above(state)
                new = days_of_new_events(connection, self._zone, above_id)
                to_count |= {
                    day
                    for day, difference in changed.items()
                    if day not in new or not self._is_new(connection, day, difference, above_id)
                }
                new = {day: new[day] for day in new.keys() - to_count}
            has_default = find_funnel(connection, self._default_funnel) is not None
        if not has_default:
            with self._engine.begin() as connection:
                keep_funnel(connection, self._default_funnel, self._now, self._default_funnel)
        if is_other:  # otherwise the old counts of each day stay until it is counted again
            self._forget_everything(ours, is_takeover=state.version != 0)
            # Nothing is read until all is counted, and one that fails begins from the start.
            self._counter.counts_visitors_later = True
        elif rebuild:  # a payload may have been changed in place, which no check notices
            with self._engine.begin() as connection:
                self._lease.update(connection)
                forget_all_versions(connection)
                count_all_again(connection)
                forget_without_visits(connection)
        self._courses.keep_saved()
        with counting_together(
            self._engine, self._counter.count_share, processes if is_all else 1
        ) as self._counter.processes:
            refreshed = self._count(sorted(to_count | new.keys()), new, progress, is_all=is_all)
        self._build_spans()
        with self._engine.begin() as connection:
            self._lease.update(connection)  # until the commit, no events can be deleted
            before = connection.execute(select(tables.state)).one()
            values = position.keep(connection, before, self._now, is_all=is_all)
            self._lease.update(connection, refreshed_at=self._now, **ours._asdict(), **values)
        return refreshed

    def _is_new(
        self, connection: Connection, day: date, difference: Difference, above_id: int
    ) -> bool:
        """Return whether the day's new events account for the whole difference."""
        more = uncounted(connection, day_of(day, self._zone), above_id)
        return difference.counted.with_more(more) == difference.current

    def _count(
        self,
        to_count: Sequence[date],
        new: Mapping[date, NewOfDay],
        progress: Progress,
        *,
        is_all: bool,
    ) -> Refreshed:
        """Count days. Those in `new` need not be counted as a whole."""
        # With a change of a few visits, only the differences of their visitors are counted.
        spans = SpanCounter() if is_all else None
        events, left = 0, []
        for done, day in enumerate(to_count):
            progress(done, len(to_count), events)
            if day in new and (day_events := self._counter.add(day, new[day])) is not None:
                events += day_events
                continue
            try:
                day_events = self._counter.count(day)
                if spans is not None:
                    self._counter.count_visits(day, day_events, spans)
            except CountingEnded:
                self._counter.leave(to_count[done:])
                raise
            if day_events is None:
                left.append(day)
                continue
            events += day_events
            if spans is None:
                self._counter.count_retention(day)
        progress(len(to_count), len(to_count), events)
        if spans is not None:
            self._counter.replace_visitors(spans.rest())
        self._counter.count_stale_retention()
        self._counter.count_stale_crossings()
        self._courses.count_changed()
        return Refreshed([day for day in to_count if day not in left], events, left)

    def _forget_everything(self, ours: Configuration, *, is_takeover: bool) -> None:
        with self._engine.begin() as connection:
            self._lease.update(connection, version=0)
            if is_takeover:
                agreement.note_takeover(connection, ours)
            for table in tables.OF_EVENTS:
                # Who declares no properties does not need this one, and may not have made it yet.
                is_needed = table is not tables.properties or bool(self._declared)
                if is_needed or has_table(connection, table):
                    connection.execute(table.delete())

    def count_funnels(self, seconds: float) -> None:
        """Count the funnels that were added or saved since the days were counted."""
        deadline = monotonic() + seconds
        with self._engine.connect() as connection:
            unfinished = unfinished_funnels(connection)
        for funnel in unfinished:
            if monotonic() > deadline:
                return
            self._counter.count_funnel(funnel, date.min, date.max, deadline)
        self._courses.count_old_days(deadline)

    def _build_spans(self) -> None:
        """Build the spans that are over and do not exist, also those with a day counted again."""
        with self._engine.connect() as connection:
            to_build = missing_spans(connection, date_in(self._zone, self._lease.clock()))
        for span in to_build:
            with self._engine.begin() as connection:
                # Until the commit, no other process can change the days of the span.
                self._lease.extend(connection)
                build_span(connection, span)


def _configuration_of(state: sa.Row[Any]) -> Configuration:
    return Configuration(state.version, state.zone)
