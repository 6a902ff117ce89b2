"""What a digest says: the counts, what has changed, and what was wanted and not found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tcs_events.counts.tables import demand
from tcs_events.event_types.roles import Click, Search
from tcs_events.reports.activity import ALL_TYPES, Activity
from tcs_events.reports.dead_ends import DeadEnd
from tcs_events.reports.period import Period
from tcs_events.reports.questions import Reports
from tcs_events.reports.reading import in_period, total

MIN_COUNT = 20
"""Fewer visits than this, in both periods, are never a change: small numbers jump by themselves."""
MIN_SHARE = 0.1
"""A change by less than a tenth is not worth a mail, however certain it is."""
DEVIATIONS = 3
"""How many standard deviations a change must exceed. Some twenty numbers are compared each time, so
that two deviations would report chance nearly every week."""
MOST_WANTED = 10
MOST_DEAD_ENDS = 5


@dataclass(frozen=True, slots=True)
class Change:
    """A count of this period and of the one before."""

    name: str
    now: int
    before: int | None
    """None if there are no counts of the period before."""

    @property
    def share(self) -> float | None:
        """The change as a share of `before`: 0.5 for half more. None without a count before."""
        return (self.now - self.before) / self.before if self.before else None

    @property
    def is_more_than_chance(self) -> bool:
        """Whether the counts differ by more than chance explains, and by a tenth or more."""
        if self.before is None or max(self.now, self.before) < MIN_COUNT:
            return False
        difference = abs(self.now - self.before)
        return (
            difference > DEVIATIONS * math.sqrt(self.now + self.before)
            and difference >= MIN_SHARE * self.before
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query that was shown nothing. Counts are visits."""

    query: str
    """The spelling that most visits typed."""
    visits: int
    """Visits that asked it."""
    no_result: int
    """Visits that were shown nothing."""
    hidden_by_filter: int
    """Of these, visits whose filters hid the results."""
    no_result_before: int | None
    """Visits that were shown nothing in the period before. None without counts of it."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What happened in a period."""

    period: Period
    before: Period | None
    """The period before, of the same length. None if it begins before the first event: its counts
    would be too low, and the comparison would look like growth."""
    timezone: str
    """The time zone of the days."""
    counts: tuple[Change, ...]
    """Visits, events, and clicks and queries if an event type has such a role. Empty if there are
    no events in the period."""
    changed: tuple[Change, ...]
    """The event types whose visits have changed by more than chance explains, the largest change
    first."""
    wanted: tuple[Wanted, ...]
    """The queries that were shown nothing, in `TCS_EVENTS_MIN_SESSIONS` visits or more."""
    dead_ends: tuple[DeadEnd, ...]
    """The filter values that left nothing, in so many visits or more."""


def digest(reports: Reports, period: Period) -> Digest:
    """Return what happened in a period, compared with the one before.

    Raises:
        QuestionTimeout: it took too long.
        NotCounted: there are too many events to count them now.
    """
    first, previous = reports.first_day(), period.before()
    before = previous if first is not None and first <= previous.first else None
    now = reports.total_activity(period)
    then = reports.total_activity(before) if before else None
    return Digest(
        period,
        before,
        reports.zone.key,
        tuple(_counts(reports, period, before, now, then)) if now else (),
        tuple(_changed(now, then)),
        tuple(_wanted(reports, period, before)),
        tuple(
            each
            for each in reports.dead_end_values(period, MOST_DEAD_ENDS)
            if each.dead >= reports.settings.min_sessions
        ),
    )


Totals = Mapping[str, Activity]


def _counts(
    reports: Reports, period: Period, before: Period | None, now: Totals, then: Totals | None
) -> Iterable[Change]:
    yield Change("Visits", _visits(now), None if then is None else _visits(then))
    yield Change("Events", _events(now), None if then is None else _events(then))
    types = reports.settings.event_types.values()
    clicks = [each.name for each in types if isinstance(each.role, Click)]
    if clicks:
        yield Change(
            "Clicks", _events(now, clicks), None if then is None else _events(then, clicks)
        )
    if any(isinstance(each.role, Search) for each in types):
        asked, nothing = _queries(reports, period)
        asked_then, nothing_then = _queries(reports, before) if before else (None, None)
        yield Change("Queries asked", asked, asked_then)
        yield Change("Queries without result", nothing, nothing_then)


def _visits(totals: Totals) -> int:
    return totals[ALL_TYPES].sessions if ALL_TYPES in totals else 0


def _events(totals: Totals, types: Sequence[str] = (ALL_TYPES,)) -> int:
    return sum(totals[name].events for name in types if name in totals)


def _queries(reports: Reports, period: Period) -> tuple[int, int]:
    """Return how often something was asked, and was not found: a visit counts once per query."""
    with reports.counts() as connection:
        query = sa.select(total(demand.c.sessions), total(demand.c.no_result))
        row = connection.execute(query.where(in_period(connection, demand, period))).one()
    return row.sessions, row.no_result


def _changed(now: Totals, then: Totals | None) -> list[Change]:
    if then is None:
        return []
    names = (now.keys() | then.keys()) - {ALL_TYPES}
    changes = [
        Change(
            name,
            now[name].sessions if name in now else 0,
            then[name].sessions if name in then else 0,
        )
        for name in sorted(names)
    ]
    found = [each for each in changes if each.is_more_than_chance]
    return sorted(found, key=lambda each: -abs(each.now - (each.before or 0)))


def _wanted(reports: Reports, period: Period, before: Period | None) -> list[Wanted]:
    rows = [row for row in reports.unmet_demand(period, MOST_WANTED) if row.no_result]
    then = _no_result(reports, before, [row.query for row in rows]) if before else None
    return [
        Wanted(
            row.sample,
            row.sessions,
            row.no_result,
            row.hidden_by_filter,
            None if then is None else then.get(row.query, 0),
        )
        for row in rows
    ]


def _no_result(reports: Reports, period: Period, queries: Sequence[str]) -> dict[str, int]:
    with reports.counts() as connection:
        query = sa.select(demand.c.query, total(demand.c.no_result)).where(
            in_period(connection, demand, period), demand.c.query.in_(queries)
        )
        rows = connection.execute(query.group_by(demand.c.query))
        return {row.query: row.no_result for row in rows}
