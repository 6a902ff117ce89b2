"""How many visitors come back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import events_between
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.spans import week_of
from tcs_events.counts.steps import Step
from tcs_events.counts.tables import retention as counts
from tcs_events.counts.visits import LATER_DAYS, first_days
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.names import Rows, look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading

CohortUnit = Literal["day", "week"]
Cells = dict[tuple[date, date], int]
"""Sessions by the beginnings of two days or weeks: that of the cohort, and when they were there."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The sessions that came for the first time ever in the same day or week."""

    starts_on: date
    size: int
    returned: list[int]
    """How many of them were there 0, 1, 2 ... days or weeks later, as far as the period goes, and
    at most 31 days later. The first is `size`."""
    is_complete: list[bool]
    """Whether that day or week, for each of `returned`, is over and whole in the period. Where it
    is not, the number may be too low; so is `size` where the first is not complete."""


COHORT_COLUMNS: Columns = (
    Column(
        "starts_on",
        "First visit",
        "the day, or the Monday of the week, of their first visit",
        "day",
    ),
    Column("size", "Visitors", "visitors whose first visit was then", "bar"),
    Column("returned", "Came back", "how many of them came 0, 1, 2 ... days or weeks later"),
    Column(
        "is_complete",
        "Complete",
        "whether that day or week is over and wholly in the period; if not, the number may grow",
        is_extra=True,
    ),
)


def retention(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    period: Period,
    unit: CohortUnit = "week",
    returning: Step | None = None,
) -> Rows[Cohort]:
    """Return how many visitors came back, the oldest cohort first.

    A session lives in the browser's storage, so that it is a visitor for as long as that lasts. It
    belongs to the day of its first event that is stored, whatever the period is.

    Days or weeks without a new visitor are left out.

    Args:
        period: the days. Cohorts are those that begin in it: of weeks, those whose Monday is in it.
            Of the last 30 days, these are the four or five weeks that began in them, the current
            one among them; a week that the period only has the end of would miss new visitors.
        unit: of cohorts and of returning. Weeks are calendar weeks, from Monday to Sunday.
        returning: what counts as coming back: any event where it is None. With conditions, the
            events of its type are read themselves, which takes the longer the more there are. The
            `notices` of the answer name a field that no event has.

    Raises:
        UnknownEventType: a ValueError: the type of `returning` is neither accepted nor stored.
    """
    places = sorted({_place(of_day, unit) for of_day in period.dates()})
    places = [place for place in places if place >= period.first]
    if not places:
        return Rows([], [])
    with reading.counts() as connection:
        notices = look_at_names(reading, connection, [returning]) if returning else []
        there = _counted(connection, period, unit, ALL_TYPES)
        if returning is None:
            back = there
        elif returning.conditions:
            back = _read(reading, connection, period, unit, returning)
        else:
            back = _counted(connection, period, unit, returning.event_type)
    today = date_in(reading.zone, datetime.now(UTC))
    cohorts = [
        Cohort(
            place,
            there[place, place],
            [there[place, place], *(back[place, later] for later in following[1:])],
            [_is_complete(later, unit, period, today) for later in following],
        )
        for number, place in enumerate(places)
        if there[place, place]
        for following in [places[number:][: LATER_DAYS + 1 if unit == "day" else None]]
    ]
    return Rows(cohorts, notices)


def _counted(connection: Connection, period: Period, unit: CohortUnit, event_type: str) -> Cells:
    rows = connection.execute(
        sa.select(counts.c.cohort, counts.c.day, counts.c.sessions).where(
            counts.c.unit == unit,
            counts.c.event_type == event_type,
            counts.c.day.between(period.first, period.last),
            counts.c.cohort >= period.first,
        )
    )
    cells: Cells = defaultdict(int)
    for cohort, of_day, sessions in rows:
        cells[cohort, _place(of_day, unit)] += sessions
    return cells


def _read(
    reading: Reading, connection: Connection, period: Period, unit: CohortUnit, returning: Step
) -> Cells:
    """Count from the events themselves who did a step with conditions."""
    zone = reading.zone
    start, end = day(period.first, zone).start, day(period.last, zone).end
    there: dict[str, set[date]] = defaultdict(set)
    with events_between(connection, start, end, [returning.event_type]) as events:
        for session_id, event_type, payload, at in events:
            if returning.matches(event_type, payload):
                there[session_id].add(_place(date_in(zone, at), unit))
    cells: Cells = defaultdict(int)
    for session_id, first in first_days(connection, there).items():
        for place in there[session_id]:
            cells[_place(first, unit), place] += 1
    return cells


def _place(of_day: date, unit: CohortUnit) -> date:
    return of_day if unit == "day" else week_of(of_day).first


def _is_complete(place: date, unit: CohortUnit, period: Period, today: date) -> bool:
    last = place if unit == "day" else place + timedelta(days=6)
    return last <= period.last and last < today
