"""How many visitors go on from one step to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import events_between
from tcs_events.counts.facts import Seen
from tcs_events.counts.funnels import (
    WITHIN,
    Funnel,
    advances,
    find_funnel,
    is_kept,
    keep_funnel,
    uncounted_days,
)
from tcs_events.counts.steps import Condition, Step, step
from tcs_events.counts.time_limit import OutOfTime
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.names import Rows, look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.wording import OF_THE_FIRST, OF_THE_STEP_BEFORE
from tcs_events.watch.log import log


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """How many visits got as far as a step: sessions, each once for a day on which it entered."""

    step: Step
    sessions: int
    of_first: float | None
    """The part of those at the first step, 0 to 1; None where there were none."""
    of_previous: float | None
    """The part of those at the step before, 0 to 1; None at the first, or where there were none."""


FUNNEL_COLUMNS: Columns = (
    Column("step", "Step", "the event type and its conditions", value=lambda row: str(row.step)),
    Column("visits", "Visits", "visits that reached the step", "bar"),
    Column("of_previous", OF_THE_STEP_BEFORE, "share of the visits at the step before", "share"),
    Column("of_first", OF_THE_FIRST, "share of the visits at the first step", "share"),
    Column(
        "days_counted",
        "Days counted",
        "days of the period that are counted so far",
        "count",
        is_extra=True,
    ),
    Column("days", "Days", "days of the period", "count", is_extra=True),
)


@dataclass(frozen=True, slots=True)
class FunnelSoFar:
    """A funnel of the days that are counted for it."""

    steps: list[FunnelStep]
    days_counted: int
    days: int
    """How many days the period has."""
    notices: list[str] = field(default_factory=list)
    """What whoever reads this should know: such as a field that no event has."""


def funnel(reading: Reading, period: Period, steps: Sequence[Step]) -> Rows[FunnelStep]:
    """Return how many visits took the steps, in their order, with anything in between.

    The first step lies in the period. The others may follow for 24 hours after it, on the next day
    and after the period, too. A session counts once for each day on which it takes the first step.
    A later step follows the last first step that it can follow, so that it counts for one day.

    The answer is a list with a row for each step, and its `notices` name a field that no event has
    and a type that is accepted and was never sent.

    Of a funnel that is kept (the dashboard and the command line keep the last ones they were asked
    for) the counts of its days are read. Days that it is not counted for, and all days of another
    funnel, are counted now from the events themselves: that takes the longer, the more there are of
    the types of the steps. This function keeps none, so that a program may ask for thousands.

    Raises:
        ValueError: there are no steps.
        UnknownEventType: a ValueError, too: a type is neither accepted nor stored.
    """
    _demand_steps(steps)
    with reading.counts() as connection:
        notices = look_at_names(reading, connection, steps)
        kept = find_funnel(connection, steps)
        reached, counted = _counted(connection, kept, period) if kept else ([0] * len(steps), set())
        for first, last in _runs(of for of in period.dates() if of not in counted):
            for place, sessions in enumerate(_read(reading, connection, first, last, steps)):
                reached[place] += sessions
    return Rows(_shares(steps, reached), notices)


def keep_asked(reading: Reading, steps: Sequence[Step]) -> None:
    """Have a funnel counted with every day from now on, for as long as it is asked for.

    Raises:
        sqlalchemy.exc.DBAPIError: the database takes no writes.
        UnknownEventType: a type is neither accepted nor stored.
    """
    _demand_steps(steps)
    engine, now = reading.engine, datetime.now(UTC)
    with engine.connect() as connection:
        if is_kept(connection, steps, now):
            return
        look_at_names(reading, connection, steps)
    with engine.begin() as connection:
        keep_funnel(connection, steps, now)


def funnel_so_far(
    reading: Reading, period: Period, steps: Sequence[Step], seconds: float
) -> FunnelSoFar:
    """Keep a funnel, count it for about so many seconds, and return what is counted of it.

    The newest days are counted first. Where the database takes no writes, everything is read.

    Raises:
        ValueError: there are no steps.
        UnknownEventType: a ValueError, too: a type is neither accepted nor stored.
    """
    _demand_steps(steps)
    reading.refresh_if_old()
    try:
        keep_asked(reading, steps)
        with suppress(OutOfTime):  # what is counted by then is shown
            reading.refresher.count_funnel(
                steps, period.first, period.last, seconds, reading.time_to_count()
            )
    except sa.exc.DBAPIError as error:
        log.warning("tcs_events.counts_not_refreshed", reason=type(error.orig).__name__)
        rows = funnel(reading, period, steps)
        return FunnelSoFar(rows, period.days, period.days, rows.notices)
    with reading.counts() as connection:
        notices = look_at_names(reading, connection, steps)
        kept = find_funnel(connection, steps)
        if kept is None:  # twenty others were asked for at this very moment
            return FunnelSoFar(_shares(steps, [0] * len(steps)), 0, period.days, notices)
        reached, _ = _counted(connection, kept, period)
        missing = len(uncounted_days(connection, kept, period.first, period.last))
    return FunnelSoFar(_shares(steps, reached), period.days - missing, period.days, notices)


def _demand_steps(steps: Sequence[Step]) -> None:
    if not steps:
        raise ValueError("a funnel has at least one step")


def _counted(connection: Connection, kept: Funnel, period: Period) -> tuple[list[int], set[date]]:
    """Return what is counted of a period by step, and for which days."""
    counts, crossings = tables.funnel_counts.c, tables.funnel_crossings.c
    of_period = (counts.funnel_id == kept.id) & counts.day.between(period.first, period.last)
    days = set(connection.scalars(sa.select(counts.day).where(of_period, counts.step == 0)))
    later = sa.select(crossings.step, crossings.sessions, crossings.day).where(
        crossings.funnel_id == kept.id, crossings.day.between(period.first, period.last)
    )
    reached = [0] * len(kept.steps)
    for place, sessions in connection.execute(
        sa.select(counts.step, sa.func.sum(counts.sessions)).where(of_period).group_by(counts.step)
    ):
        reached[place] = int(sessions)
    for place, sessions, of_day in connection.execute(later):
        reached[place] += sessions if of_day in days else 0
    return reached, days


def _read(
    reading: Reading, connection: Connection, first: date, last: date, steps: Sequence[Step]
) -> list[int]:
    """Count from the events themselves."""
    zone = reading.zone
    start, end = day(first, zone).start, day(last, zone).end
    reached = [0] * len(steps)
    types = {one.event_type for one in steps}
    with events_between(connection, start, end + WITHIN, types) as events:
        for _, session in groupby(events, key=lambda event: event[0]):
            taken = {
                (date_in(zone, advance.entered_at), advance.place)
                for advance in advances(steps, [Seen(*event[1:]) for event in session])
            }
            for entered_on, place in taken:
                reached[place] += entered_on <= last
    return reached


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
