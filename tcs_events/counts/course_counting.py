"""Counts the courses of saved funnels over days: those that have changed, and those of old days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from time import monotonic
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.counts import tables
from tcs_events.counts.days import date_in
from tcs_events.counts.days import day as day_of
from tcs_events.counts.following import Span, follow
from tcs_events.counts.kept_courses import (
    ALL_DAYS,
    KeptFunnel,
    are_kept,
    forget_funnel,
    keep_saved,
    kept_funnels_over_days,
    replace_courses,
    set_counted_from,
)
from tcs_events.counts.lease import Lease
from tcs_events.counts.time_limit import check_time, ended_at
from tcs_events.database.batches import batches
from tcs_events.event_types.roles import Roles

SESSIONS_AT_ONCE = 300
"""How many sessions are followed before their courses are stored in one transaction."""
CHANGES_AT_ONCE = 5_000
"""How many changed visits are in memory."""
DELETED_AT_ONCE = 900
"""How many courses of a funnel that is gone are deleted in one transaction."""


class CourseCounter:
    """Counts courses for the process that holds the lease.

    Every method raises `LeaseLost` if another process has the lease. With an `until`, which is a
    `monotonic()` time, methods raise `OutOfTime` after it. What is stored by then stays.
    """

    def __init__(
        self, engine: Engine, zone: ZoneInfo, roles: Roles, lease: Lease, until: float | None
    ) -> None:
        self._engine = engine
        self._zone = zone
        self._roles = roles
        self._lease = lease
        self._until = until
        self._gone: list[KeptFunnel] = []
        """The funnels that are not saved any more, and still have courses."""

    def keep_saved(self) -> None:
        """Keep the courses of the funnels that are saved now, and of no others."""
        with self._engine.connect() as connection:
            if are_kept(connection):
                return
        with self._storing() as connection:
            self._gone = keep_saved(connection)

    def count_changed(self) -> None:
        """Follow the visitors again whose events have changed."""
        with self._engine.connect() as connection:
            funnels = kept_funnels_over_days(connection)
        while rows := self._changed_visits():
            days: dict[str, list[date]] = defaultdict(list)
            ids: dict[str, list[int]] = defaultdict(list)
            for row_id, session_id, day in rows:
                days[session_id].append(day)
                ids[session_id].append(row_id)
            # Those of the same days together: all are read from the first day of the earliest on.
            sessions = sorted(days, key=lambda session_id: min(days[session_id]))
            for batch in batches(sessions, SESSIONS_AT_ONCE):
                check_time(self._until)
                changed = {name: (min(days[name]), max(days[name])) for name in batch}
                asked = [(funnel, self._affected(funnel, changed)) for funnel in funnels]
                self._count(asked, [row_id for name in batch for row_id in ids[name]])

    def count_old_days(self, deadline: float) -> None:
        """Count the funnels for the days before they were saved, the newest days first.

        What is kept of funnels that are not saved any more is deleted before. It stops after the
        first day that ends later than `deadline`, a `monotonic()` time.
        """
        for funnel in self._gone:
            if not self._delete_courses(funnel, deadline):
                return
            with self._storing() as connection:
                forget_funnel(connection, funnel)
        with self._engine.connect() as connection:
            funnels = kept_funnels_over_days(connection)
        for funnel in funnels:
            if funnel.counted_from != ALL_DAYS and not self._count_days(funnel, deadline):
                return

    def _count_days(self, funnel: KeptFunnel, deadline: float) -> bool:
        """Count a funnel for the days that lack it, and return whether all have it."""
        if funnel.counted_from is None and not self._delete_courses(funnel, deadline):
            return False
        days = tables.days.c.day
        query = sa.select(days).order_by(days.desc())
        if funnel.counted_from is not None:
            query = query.where(days < funnel.counted_from)
        with self._engine.connect() as connection:
            days_to_count = list(connection.scalars(query))
        for day in days_to_count:
            for batch in batches(self._began_on(day, funnel), SESSIONS_AT_ONCE):
                check_time(self._until)
                self._count([(funnel, dict.fromkeys(batch, (day, day)))])
            with self._storing() as connection:
                set_counted_from(connection, funnel, day)
            if monotonic() > deadline:
                return False
        with self._storing() as connection:
            set_counted_from(connection, funnel, ALL_DAYS)
        return True

    def _began_on(self, day: date, funnel: KeptFunnel) -> list[str]:
        """Return the sessions that may have taken the first step on a day."""
        visits = tables.visits.c
        query = sa.select(visits.session_id).where(
            visits.day == day, visits.event_type == funnel.steps[0].event_type
        )
        with self._reading() as connection:
            return sorted(set(connection.scalars(query)))

    def _changed_visits(self) -> Sequence[sa.Row[int, str, date]]:
        changed = tables.changed_visits.c
        query = sa.select(changed.id, changed.session_id, changed.day).order_by(changed.session_id)
        with self._reading() as connection:
            return connection.execute(query.limit(CHANGES_AT_ONCE)).all()

    def _affected(self, funnel: KeptFunnel, changed: Mapping[str, Span]) -> dict[str, Span]:
        """Return the days whose first steps may be followed by something on the changed days."""
        counted_from = funnel.counted_from
        if counted_from is None:
            return {}
        affected: dict[str, Span] = {}
        for session_id, (first, last) in changed.items():
            began = date_in(self._zone, day_of(first, self._zone).start - funnel.within)
            if last >= counted_from:
                affected[session_id] = max(began, counted_from), last
        return affected

    def _count(
        self,
        asked: Sequence[tuple[KeptFunnel, Mapping[str, Span]]],
        settled_ids: Sequence[int] = (),
    ) -> None:
        """Follow sessions, and replace their courses. Changed visits of these ids are settled."""
        with self._reading() as connection:
            found = follow(connection, asked, self._zone, self._roles)
        with self._storing() as connection:
            for (funnel, spans), courses in zip(asked, found, strict=True):
                replace_courses(connection, funnel, spans, courses)
            changed = tables.changed_visits
            for batch in batches(settled_ids):
                connection.execute(changed.delete().where(changed.c.id.in_(batch)))

    def _delete_courses(self, funnel: KeptFunnel, deadline: float) -> bool:
        """Delete the courses of a funnel, and return whether none is left.

        Short transactions block other writers on SQLite less.
        """
        courses = tables.courses.c
        query = sa.select(courses.id).where(courses.funnel_id == funnel.id).limit(DELETED_AT_ONCE)
        while True:
            check_time(self._until)
            with self._storing() as connection:
                ids = list(connection.scalars(query))
                for batch in batches(ids):
                    connection.execute(tables.courses.delete().where(courses.id.in_(batch)))
            if len(ids) < DELETED_AT_ONCE:
                return True
            if monotonic() > deadline:
                return False

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Yield a connection to read on. Its queries end when the time is up."""
        with self._engine.connect() as connection, ended_at(connection, self._until):
            yield connection

    @contextmanager
    def _storing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction in which no other process changes counts."""
        with self._engine.begin() as connection:
            # If a session was forgotten since it was read, the lease is gone, and this raises.
            self._lease.extend(connection)
            yield connection
