"""How many visitors go on from one step to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.log import log
from tcs_events.reports.period import Period
from tcs_events.reports.reading import (
    reading_counts,
    refresh_if_old,
    this_registration,
    time_to_count,
)
from tcs_events.rollups import tables
from tcs_events.rollups.days import date_in, day
from tcs_events.rollups.events import events_between
from tcs_events.rollups.facts import Seen
from tcs_events.rollups.funnels import (
    Funnel,
    FunnelCounter,
    find_funnel,
    is_kept,
    keep_funnel,
    uncounted_days,
)
from tcs_events.rollups.steps import Condition, Step, step
from tcs_events.rollups.time_limit import OutOfTime


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """How many got as far as a step. Counts are sessions, each once a day."""

    step: Step
    sessions: int
    of_first: float | None
    """The part of those at the first step, 0 to 1; None where there were none."""
    of_previous: float | None
    """The part of those at the step before, 0 to 1; None at the first, or where there were none."""


@dataclass(frozen=True, slots=True)
class FunnelSoFar:
    """A funnel of the days that are counted for it."""

    steps: list[FunnelStep]
    days_counted: int
    days: int
    """How many days the period has."""


def funnel(period: Period, steps: Sequence[Step]) -> list[FunnelStep]:
    """Return how many sessions of a day took the steps, in their order, with anything in between.

    Of a funnel that is kept (the dashboard and the command line keep the last ones they were asked
    for) the counts of its days are read. Days that it is not counted for, and all days of another
    funnel, are counted now from the events themselves: that takes the longer, the more there are of
    the types of the steps. This function keeps none, so that a program may ask for thousands.

    Raises:
        ValueError: there are no steps.
    """
    _demand_steps(steps)
    with reading_counts() as connection:
        kept = find_funnel(connection, steps)
        reached, counted = _counted(connection, kept, period) if kept else ([0] * len(steps), set())
        for first, last in _runs(of for of in period.dates() if of not in counted):
            for place, sessions in enumerate(_read(connection, first, last, steps)):
                reached[place] += sessions
    return _shares(steps, reached)


def keep_asked(steps: Sequence[Step]) -> None:
    """Have a funnel counted with every day from now on, for as long as it is asked for.

    Raises:
        sqlalchemy.exc.DBAPIError: the database takes no writes.
    """
    _demand_steps(steps)
    engine, now = this_registration().store.engine, datetime.now(UTC)
    with engine.connect() as connection:
        if is_kept(connection, steps, now):
            return
    with engine.begin() as connection:
        keep_funnel(connection, steps, now)


def funnel_so_far(period: Period, steps: Sequence[Step], seconds: float) -> FunnelSoFar:
    """Keep a funnel, count it for about so many seconds, and return what is counted of it.

    The newest days are counted first. Where the database takes no writes, everything is read.

    Raises:
        ValueError: there are no steps.
    """
    _demand_steps(steps)
    refresh_if_old()
    try:
        keep_asked(steps)
        with suppress(OutOfTime):  # what is counted by then is shown
            this_registration().refresher.count_funnel(
                steps, period.first, period.last, seconds, time_to_count()
            )
    except sa.exc.DBAPIError as error:
        log.warning("tcs_events.counts_not_refreshed", reason=type(error.orig).__name__)
        return FunnelSoFar(funnel(period, steps), period.days, period.days)
    with reading_counts() as connection:
        kept = find_funnel(connection, steps)
        if kept is None:  # twenty others were asked for at this very moment
            return FunnelSoFar(_shares(steps, [0] * len(steps)), 0, period.days)
        reached, _ = _counted(connection, kept, period)
        missing = len(uncounted_days(connection, kept, period.first, period.last))
    return FunnelSoFar(_shares(steps, reached), period.days - missing, period.days)


def _demand_steps(steps: Sequence[Step]) -> None:
    if not steps:
        raise ValueError("a funnel has at least one step")


def _counted(connection: Connection, kept: Funnel, period: Period) -> tuple[list[int], set[date]]:
    """Return what is counted of a period by step, and for which days."""
    counts = tables.funnel_counts.c
    of_period = (counts.funnel_id == kept.id) & counts.day.between(period.first, period.last)
    sums = connection.execute(
        sa.select(counts.step, sa.func.sum(counts.sessions)).where(of_period).group_by(counts.step)
    )
    reached = [0] * len(kept.steps)
    for place, sessions in sums:
        reached[place] = int(sessions)
    days = set(connection.scalars(sa.select(counts.day).where(of_period, counts.step == 0)))
    return reached, days


def _read(connection: Connection, first: date, last: date, steps: Sequence[Step]) -> Iterable[int]:
    """Count from the events themselves."""
    zone = this_registration().settings.timezone
    start, end = day(first, zone).start, day(last, zone).end
    counter = FunnelCounter([Funnel(0, "", tuple(steps))])
    types = {one.event_type for one in steps}
    with events_between(connection, start, end, types) as events:
        for _, session in groupby(events, key=lambda event: (event[0], date_in(zone, event[3]))):
            counter.count(Seen(*event[1:]) for event in session)
    return [counter.reached[0, place] for place in range(len(steps))]


def _runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Give the first and the last of days that follow each other."""
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - timedelta(days=pair[0])):
        of_run = [of_day for _, of_day in run]
        yield of_run[0], of_run[-1]


def _shares(steps: Sequence[Step], reached: Sequence[int]) -> list[FunnelStep]:
    return [
        FunnelStep(
            one,
            sessions,
            sessions / reached[0] if reached[0] else None,
            sessions / reached[place - 1] if place and reached[place - 1] else None,
        )
        for place, (one, sessions) in enumerate(zip(steps, reached, strict=True))
    ]


__all__ = [
    "Condition",
    "FunnelSoFar",
    "FunnelStep",
    "Step",
    "funnel",
    "funnel_so_far",
    "keep_asked",
    "step",
]
