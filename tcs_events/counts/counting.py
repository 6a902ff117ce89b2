"""Counts one day, and replaces its stored counts, or adds what is new to them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select

from tcs_events.counts import adding, tables
from tcs_events.counts.adding import Change
from tcs_events.counts.audit import Check, check, keep_check
from tcs_events.counts.changes import NewOfDay
from tcs_events.counts.counted import Counted, CountedVisits
from tcs_events.counts.crossings import (
    count_crossings,
    crossing_sessions,
    forget_crossings,
    mark_crossings,
    stale_crossings,
)
from tcs_events.counts.days import Day, days_until
from tcs_events.counts.days import day as day_of
from tcs_events.counts.deltas import INSERT_ROWS, CountsDiffer
from tcs_events.counts.events import event_types, rows_between, sessions_of_rows
from tcs_events.counts.facts import LOOK_AHEAD, Facts
from tcs_events.counts.fingerprints import (
    NEVER,
    CannotAdd,
    CountedEvents,
    Fingerprints,
    fingerprinted_sessions,
    kept_fingerprints,
    replace_fingerprints,
)
from tcs_events.counts.funnels import (
    WITHIN,
    Funnel,
    FunnelCounter,
    kept_funnels,
    replace_counts,
    uncounted_days,
)
from tcs_events.counts.lease import DayChanged, Lease
from tcs_events.counts.meaning import Meaning
from tcs_events.counts.processes import (
    SHARED_FROM,
    CrossingsTask,
    EventsTask,
    Processes,
    Task,
    VisitsTask,
)
from tcs_events.counts.rows import fact_rows
from tcs_events.counts.shares import Share
from tcs_events.counts.snapshot import hold_still
from tcs_events.counts.spans import forget_spans
from tcs_events.counts.time_limit import check_time, ended_at
from tcs_events.counts.visit import count_day
from tcs_events.counts.visitors import (
    Came,
    Row,
    Span,
    SpanCounter,
    count_visitors,
    replace_visitors,
)
from tcs_events.counts.visits import (
    Kept,
    Retention,
    Visit,
    change_visits,
    count_retention,
    kept_visits,
    replace_retention,
)
from tcs_events.database.batches import batches

ATTEMPTS = 2
"""How often a refresh counts a day if events of that day are deleted during the counting."""
EVENTS_OF_CROSSING = 20
"""About how many events are read of a session that may have taken a step after the day."""
VISITS_AT_ONCE = 2_000
"""How many visits are written in one transaction. With the visitors, they take SQLite 0.1 s."""


class DayCounter:
    """Counts days for the process that holds the lease, and extends the lease with each day.

    Every method raises `LeaseLost` if another process has the lease. With an `until`, which is a
    `monotonic()` time, methods raise `OutOfTime` after it. Days that are done by then stay counted.
    """

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        meaning: Meaning,
        lease: Lease,
        until: float | None = None,
    ) -> None:
        self.counts_visitors_later = False
        """Whether only `count_visits` counts visitors. If not, they change with the visits."""
        self.processes: Processes | None = None
        """Count the events, visits and crossings of large days, each a share of the sessions; this
        process if None."""
        self._engine = engine
        self._zone = zone
        self._meaning = meaning
        self._roles = meaning.roles
        self._lease = lease
        self._until = until

    def count(self, day: date) -> int | None:
        """Count a day, and return the number of its events.

        Returns None if events of the day were deleted during each attempt. The next refresh then
        counts the day.
        """
        for _ in range(ATTEMPTS):
            self._lease.begin(day)
            with contextlib.suppress(DayChanged):
                return self._replace(day_of(day, self._zone))
        self.leave([day])
        return None

    def leave(self, days: Iterable[date]) -> None:
        """Leave days to the next refresh."""
        for day in days:
            with self._engine.begin() as connection:
                self._lease.extend(connection)
                is_this = tables.days.c.day == day
                if not connection.execute(
                    tables.days.update().where(is_this).values(is_stale=True)
                ).rowcount:
                    nothing = {"events": 0, "is_stale": True, "is_retention_stale": False}
                    connection.execute(tables.days.insert().values(day=day, **nothing))

    def add(self, day: date, new: NewOfDay) -> int | None:
        """Add what is new of some sessions to a day, and return the number of the day's events.

        Returns None if the day must be counted as a whole. What is added by then stays true.
        """
        sessions = sorted(new.sessions)
        with self._reading() as connection:
            kept = kept_fingerprints(connection, day, sessions)
            if kept.keys() - new.sessions:  # some collations treat different ids as equal
                return None
            if not new.is_complete or not adding.is_worth_it(connection, day, new, kept):
                return None
        with contextlib.suppress(CannotAdd, CountsDiffer, DayChanged):
            for batch in batches(sessions, adding.SESSIONS_AT_ONCE):
                self._lease.begin(day)
                with self._reading() as connection:
                    funnels = kept_funnels(connection)
                    change = Change(day_of(day, self._zone), funnels, self._meaning)
                    change.read(connection, batch, kept)
                if not change.is_empty:
                    with self._engine.begin() as connection:
                        self._lease.extend(connection, day)
                        change.store(connection)
            with self._engine.connect() as connection:
                return connection.scalar(
                    select(tables.days.c.events).where(tables.days.c.day == day)
                )
        return None

    def count_visits(self, day: date, events: int | None, spans: SpanCounter) -> None:
        """Count the visitors and the retention of a day anew, after all days before it.

        Args:
            day: a day whose visits are stored.
            events: what `count` has returned. If it is None, only the visitors are counted.
            spans: has the days before.
        """
        came: Counter[Came] = Counter()
        retention: Retention = Counter()
        for share in self._shares(VisitsTask(day), events or 0):
            came.update(share.came)
            retention.update(share.retention)
        self.replace_visitors(spans.add(day, came))
        if events is not None:
            self._replace_retention(day, retention)

    def count_retention(self, day: date) -> None:
        """Count the sessions that came back on a day."""
        with self._reading() as connection:
            retention = count_retention(connection, day)
        self._replace_retention(day, retention)

    def _replace_retention(self, day: date, retention: Retention) -> None:
        with self._engine.begin() as connection:
            # If visits were changed since they were read, the lease is gone, and this raises.
            self._lease.extend(connection)
            replace_retention(connection, day, retention)

    def replace_visitors(self, spans: Mapping[Span, Counter[Row]]) -> None:
        """Replace the visitors of days, weeks and months."""
        for span, rows in spans.items():
            with self._engine.begin() as connection:
                # If visits were changed since they were read, the lease is gone, and this raises.
                self._lease.extend(connection)
                replace_visitors(connection, span, rows)

    def count_stale_retention(self) -> None:
        """Count retention again for the days whose visitors have another first day now."""
        with self._engine.connect() as connection:
            stale = select(tables.days.c.day).where(tables.days.c.is_retention_stale)
            days_to_count = sorted(connection.scalars(stale))
        for day in days_to_count:
            self.count_retention(day)

    def count_funnel(self, funnel: Funnel, first: date, last: date, deadline: float) -> None:
        """Count a funnel for the days that lack its counts, the newest first.

        It stops after the first day that ends later than `deadline`, a `monotonic()` time.
        """
        with self._engine.connect() as connection:
            days_to_count = uncounted_days(connection, funnel, first, last)
        types = {step.event_type for step in funnel.steps}
        for day in days_to_count:
            self._lease.begin(day)
            start, end = day_of(day, self._zone)[1:3]
            counter = FunnelCounter([funnel], end, self._roles)
            with self._reading() as connection:
                counted = CountedEvents(connection, days_until(day, end + WITHIN, self._zone))
                with rows_between(connection, start, end + WITHIN, types=types) as rows:
                    for _, session in sessions_of_rows(counted.among(rows)):
                        counter.count(session)
            # If events of the day were deleted meanwhile, the next refresh counts the whole day.
            with contextlib.suppress(DayChanged), self._engine.begin() as connection:
                self._lease.extend(connection, day)
                for table, reached in (
                    (tables.funnel_counts, counter.reached),
                    (tables.funnel_crossings, counter.crossed),
                ):
                    replace_counts(connection, table, day, [funnel], reached)
            if monotonic() > deadline:
                return

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Yield a connection to read the events on. Its queries end when the time is up."""
        with self._engine.connect() as connection, ended_at(connection, self._until):
            yield connection

    def count_stale_crossings(self) -> None:
        """Count the steps that were taken after the day on which the funnel was entered."""
        with self._reading() as connection:
            funnels, days = kept_funnels(connection), stale_crossings(connection)
        empty_days = []
        for day in days:
            with self._reading() as connection:
                sessions = crossing_sessions(connection, day_of(day, self._zone), funnels)
            if sessions:
                self._count_crossings(day, funnels, sessions)
            else:
                empty_days.append(day)
        if empty_days:
            with self._engine.begin() as connection:
                # If visits were changed since they were read, the lease is gone, and this raises.
                self._lease.extend(connection)
                forget_crossings(connection, empty_days)

    def _count_crossings(
        self, day: date, funnels: Sequence[Funnel], sessions: Sequence[str]
    ) -> None:
        self._lease.begin(day)
        reached: Counter[tuple[int, int]] = Counter()
        task = CrossingsTask(day, funnels, sessions)
        for share in self._shares(task, len(sessions) * EVENTS_OF_CROSSING):
            reached.update(share)
        # If events of the day were deleted meanwhile, the next refresh counts the whole day.
        with contextlib.suppress(DayChanged), self._engine.begin() as connection:
            self._lease.extend(connection, day)
            forget_crossings(connection, [day])
            replace_counts(connection, tables.funnel_crossings, day, funnels, reached)

    def count_share(self, task: Task, share: Share | None = None) -> Any:
        """Count a task or a share of it, and store nothing."""
        with self._reading() as connection:
            match task:
                case EventsTask():
                    return self._count_events(connection, task, share)
                case VisitsTask(day):
                    came = count_visitors(connection, day, share)
                    return CountedVisits(came, count_retention(connection, day, share))
                case CrossingsTask(entered_on, funnels, sessions):
                    if share is not None:
                        sessions = sessions[share.number :: share.of]
                    entered = day_of(entered_on, self._zone)
                    return count_crossings(connection, entered, funnels, sessions, self._roles)

    def _shares(self, task: Task, events: int) -> Iterable[Any]:
        """Return what was counted: by several processes, if there are many events."""
        if self.processes is not None and events >= SHARED_FROM:
            return self.processes.count(task)
        return [self.count_share(task)]

    def _count(self, connection: Connection, task: EventsTask, expected: Check) -> Counted:
        if self.processes is None or expected.events < SHARED_FROM:
            return self._count_events(connection, task)
        counted = Counted(Facts(), {}, {})
        for share in self.processes.count(task):
            counted.add(share)
        return counted

    def _count_events(
        self, connection: Connection, task: EventsTask, share: Share | None = None
    ) -> Counted:
        day = day_of(task.day, self._zone)
        counter, until = FunnelCounter(task.funnels, day.end, self._roles), day.end + LOOK_AHEAD
        fingerprints: Fingerprints = {}
        with rows_between(connection, day.start, until, types=task.types, share=share) as rows:
            sessions = fingerprinted_sessions(rows, fingerprints)
            facts = count_day(day, sessions, counter, self._roles, self._meaning.declared)
        return Counted(facts, counter.reached, fingerprints)

    def _replace(self, day: Day) -> int:
        """Count a day, replace its stored counts, and return the number of its events."""
        with self._reading() as connection:
            hold_still(connection)  # the check must be that of the events that are counted
            funnels = kept_funnels(connection)
            types = event_types(connection)
            new_check = check(connection, day, types)
            task = EventsTask(day.date, types, funnels)
            facts, reached, fingerprints = self._count(connection, task, new_check)
            kept = kept_visits(connection, day.date)
            old_fingerprints = kept_fingerprints(connection, day.date)
        self._change_visits(day.date, facts.visits, kept)
        self._change_fingerprints(day.date, fingerprints, old_fingerprints)
        with self._engine.begin() as connection:
            self._lease.extend(connection, day.date)  # first: it holds off other processes
            forget_spans(connection, day.date)
            for table in (*tables.COUNTS, tables.days):
                if table is tables.properties and not self._meaning.declared:
                    continue  # it is empty, and may not be there
                old_rows = table.delete().where(table.c.day == day.date)
                if table in tables.SPANNED:
                    old_rows = old_rows.where(table.c.unit == "day")
                connection.execute(old_rows)
            # Delete the counts of all funnels, also of one that was added since the day was read.
            # That one is counted for the day later.
            is_of_day = tables.funnel_counts.c.day == day.date
            connection.execute(tables.funnel_counts.delete().where(is_of_day))
            if facts.events:
                replace_counts(connection, tables.funnel_counts, day.date, funnels, reached)
            else:  # with events, retention and crossings are counted in a later transaction
                replace_retention(connection, day.date, Counter())
                forget_crossings(connection, [day.date])
            keep_check(connection, day.date, new_check, has_events=facts.events > 0)
            mark_crossings(connection, day)
            for table, new_rows in fact_rows(day.date, facts):
                for batch in batches(new_rows, INSERT_ROWS):
                    connection.execute(table.insert(), batch)
            if facts.events:
                row = {"events": facts.events, "is_stale": False, "is_retention_stale": True}
                connection.execute(tables.days.insert().values(day=day.date, **row))
        return facts.events

    def _change_visits(self, day: date, visits: set[Visit], kept: Kept) -> None:
        """Store a day's visits. Several short transactions block other writers on SQLite less."""
        new, gone = sorted(visits - kept.keys()), sorted(kept.keys() - visits)
        for start in range(0, max(len(new), len(gone)), VISITS_AT_ONCE):
            check_time(self._until)
            batch = slice(start, start + VISITS_AT_ONCE)
            with self._changing(day) as connection:
                change_visits(
                    connection,
                    day,
                    new[batch],
                    gone[batch],
                    kept,
                    counts_visitors_later=self.counts_visitors_later,
                )

    def _change_fingerprints(
        self, day: date, fingerprints: Fingerprints, kept: Fingerprints
    ) -> None:
        """Store a day's fingerprints, in short transactions like the visits."""
        sessions = fingerprints.keys() | kept.keys()
        changed = sorted(
            name
            for name in sessions
            if fingerprints.get(name) != kept.get(name) or fingerprints.get(name) == NEVER
        )
        for batch in batches(changed, VISITS_AT_ONCE):
            check_time(self._until)
            with self._changing(day) as connection:
                replace_fingerprints(connection, day, fingerprints, batch)

    @contextlib.contextmanager
    def _changing(self, day: date) -> Iterator[Connection]:
        """Yield a connection in one of several transactions that change a day.

        The last one replaces the row in `days`. If the process dies before, the day is stale, and
        is counted again as a whole.
        """
        with self._engine.begin() as connection:
            self._lease.extend(connection, day)
            is_this = tables.days.c.day == day
            connection.execute(tables.days.update().where(is_this).values(is_stale=True))
            yield connection
