"""How many visits go on from one step to the next."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import overload

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.conditions import Condition, Where
from tcs_events.counts.days import date_in, day, runs
from tcs_events.counts.events import events_between, sessions_of
from tcs_events.counts.funnels import (
    WITHIN,
    Funnel,
    advances,
    find_funnel,
    is_kept,
    keep_funnel,
    uncounted_days,
)
from tcs_events.counts.steps import Step, step
from tcs_events.counts.time_limit import OutOfTime
from tcs_events.database.sums import whole_sum
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.names import Rows, look_at_names
from tcs_events.reports.over_days import FunnelOverDays, Per, funnel_over_days, time_allowed
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.who import Who
from tcs_events.watch.log import log


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """How many visits reached a step."""

    step: Step
    sessions: int
    of_first: float | None
    """The share of the visits at the first step, 0 to 1; None if there were none."""
    of_previous: float | None
    """The share of the visits at the step before, 0 to 1; None at the first, or without any."""


FUNNEL_COLUMNS: Columns = (
    Column("step", "Step", "the event type and its conditions", value=lambda row: str(row.step)),
    Column("visits", "Visits", "visits that reached the step", "bar"),
    Column("of_previous", "Of the step before", "share of the visits at the step before", "share"),
    Column("of_first", "Of the first", "share of the visits at the first step", "share"),
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
    """A funnel over the days that are counted so far."""

    steps: list[FunnelStep]
    days_counted: int
    days: int
    """All days of the period."""
    notices: list[str] = field(default_factory=list)
    """Sentences for the reader, such as one about a property that no event has."""


@overload
def funnel(reading: Reading, period: Period, steps: Sequence[Step]) -> Rows[FunnelStep]: ...


@overload
def funnel(
    reading: Reading,
    period: Period,
    steps: Sequence[Step],
    within: str | timedelta,
    per: Per = ...,
    break_down: str | None = ...,
    limit: int = ...,
    *,
    where: Where = ...,
    who: Who | None = ...,
) -> FunnelOverDays: ...


def funnel(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    period: Period,
    steps: Sequence[Step],
    within: str | timedelta | None = None,
    per: Per = "visitor",
    break_down: str | None = None,
    limit: int = 20,
    *,
    where: Where = None,
    who: Who | None = None,
) -> Rows[FunnelStep] | FunnelOverDays:
    """Return how many took the steps in this order, with anything in between.

    The first step is in the period. The others follow it, also on a later day and after the period.

    Without `within`, visits are counted, and the other steps follow within 24 hours. A session
    counts once for each day on which it takes the first step. A later step belongs to the latest
    first step before it, so it counts for one day only. The answer is a list with a row for each
    step.

    With `within`, visitors or persons are counted, each once. All first steps in the period are
    tried. A visitor or person reached a step if it followed, in order, within that time of any of
    them. The times and the value are those of the first step that got furthest. If several got
    equally far, it is the latest of them. The time of a step is that of the first event that fits
    it. The answer is a `FunnelOverDays`. If half of `TCS_EVENTS_REPORT_TIMEOUT_MS` is not enough to
    read all events, it is an estimate from all events of some visitors or persons: `is_estimate` is
    True, and each number has its margin.

    The `notices` of the answer name a property that no event has, and a type that is accepted but
    was never sent.

    The dashboard and the command keep the funnels without `within` that they were last asked for,
    counted by day. Other funnels, and days not yet counted, are read from the events: this takes
    longer, the more events there are of the steps' types. This function keeps no funnel, so a
    program may ask for thousands.

    Args:
        period: the days of the first step.
        steps: at least one.
        within: the time allowed between the first step and any other: `"12h"`, `"7d"`, or a
            `timedelta`, from one hour to 90 days. A day is 24 hours.
        per: what is counted. A `"visitor"` is a session. A `"person"` is all sessions that were
            linked to the same user id or address, together. A session with several belongs to its
            user id, else to the address that it was linked to first. A session without any counts
            as itself.
        break_down: a property of the first step, such as `"plan"` or `"room.city"`. Its values have
            a funnel each.
        limit: the most values with a row of their own; the others are one row together. If there
            are more than 10,000 values, as of an id, a value that fewer than 1 in 5,000 had may be
            among the others. What a row says is exact all the same.
        where: conditions on the payload of the first step, besides its own: `{"plan": "pro"}`, or
            texts such as `["price>=10"]`.
        who: only visitors who are `"new"` in the period, `"returning"`, or `"known"` by an e-mail
            address or user id. Of a person, only the sessions of such visitors are read.

    Raises:
        ValueError: there are no steps; or an argument is none of the above; or there is a `per`, a
            `break_down`, a `where` or a `who` without `within`.
        UnknownEventType: a `ValueError`; a type is neither accepted nor stored.
        QuestionTimeout: reading took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`, and there was not
            even time for an estimate.
        NotCounted: a page waits for it, and the counts that it needs are not there yet.
    """
    _demand_steps(steps)
    if time := time_allowed(within, per, break_down, where, who):
        return funnel_over_days(reading, period, steps, time, per, break_down, limit, where, who)
    with reading.counts() as connection:
        notices = look_at_names(reading, connection, steps)
        kept = find_funnel(connection, steps)
        reached, counted = _counted(connection, kept, period) if kept else ([0] * len(steps), set())
        for first, last in runs(date_ for date_ in period.dates() if date_ not in counted):
            for place, sessions in enumerate(_read(reading, connection, first, last, steps)):
                reached[place] += sessions
    return Rows(_shares(steps, reached), notices)


def keep_asked(reading: Reading, steps: Sequence[Step]) -> None:
    """Keep a funnel: from now on, its days are counted as they come, while it is asked for.

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
        keep_funnel(connection, steps, now, reading.refresher.meaning.default_funnel)


def funnel_so_far(
    reading: Reading, period: Period, steps: Sequence[Step], seconds: float
) -> FunnelSoFar:
    """Keep a funnel, count it for about `seconds`, and return what is counted so far.

    The newest days are counted first. If the database takes no writes, all days are read from the
    events.

    Raises:
        ValueError: there are no steps.
        UnknownEventType: a `ValueError`; a type is neither accepted nor stored.
    """
    _demand_steps(steps)
    reading.refresh_if_old()
    try:
        keep_asked(reading, steps)
        with suppress(OutOfTime):  # what is counted by now is shown
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
        if kept is None:  # others that were asked for meanwhile took its place
            return FunnelSoFar(_shares(steps, [0] * len(steps)), 0, period.days, notices)
        reached, _ = _counted(connection, kept, period)
        missing = len(uncounted_days(connection, kept, period.first, period.last))
    return FunnelSoFar(_shares(steps, reached), period.days - missing, period.days, notices)


def _demand_steps(steps: Sequence[Step]) -> None:
    if not steps:
        raise ValueError("a funnel has at least one step")


def _counted(connection: Connection, kept: Funnel, period: Period) -> tuple[list[int], set[date]]:
    """Return the visits of each step that are counted for a period, and the days counted."""
    counts, crossings = tables.funnel_counts.c, tables.funnel_crossings.c
    in_days = (counts.funnel_id == kept.id) & counts.day.between(period.first, period.last)
    days = set(connection.scalars(sa.select(counts.day).where(in_days, counts.step == 0)))
    later = sa.select(crossings.step, crossings.sessions, crossings.day).where(
        crossings.funnel_id == kept.id, crossings.day.between(period.first, period.last)
    )
    reached = [0] * len(kept.steps)
    for place, sessions in connection.execute(
        sa.select(counts.step, whole_sum(counts.sessions)).where(in_days).group_by(counts.step)
    ):
        reached[place] = int(sessions)
    for place, sessions, entered_on in connection.execute(later):
        reached[place] += sessions if entered_on in days else 0
    return reached, days


def _read(
    reading: Reading, connection: Connection, first: date, last: date, steps: Sequence[Step]
) -> list[int]:
    """Count the visits of each step from the events themselves."""
    zone, roles = reading.zone, reading.refresher.meaning.roles
    start, end = day(first, zone).start, day(last, zone).end
    reached = [0] * len(steps)
    types = {step_.event_type for step_ in steps}
    with events_between(connection, start, end + WITHIN, types) as events:
        for _, session in sessions_of(events):
            taken = {
                (date_in(zone, advance.entered_at), advance.place)
                for advance in advances(steps, session, roles)
            }
            for entered_on, place in taken:
                reached[place] += entered_on <= last
    return reached


def _shares(steps: Sequence[Step], reached: Sequence[int]) -> list[FunnelStep]:
    return [
        FunnelStep(
            step_,
            sessions,
            sessions / reached[0] if reached[0] else None,
            sessions / reached[place - 1] if place and reached[place - 1] else None,
        )
        for place, (step_, sessions) in enumerate(zip(steps, reached, strict=True))
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
