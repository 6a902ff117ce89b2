"""How many visitors come back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.days import date_in, day, monday_of
from tcs_events.counts.events import events_between
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.steps import Step
from tcs_events.counts.tables import retention as counts
from tcs_events.counts.visits import LATER_DAYS, first_days
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.names import Rows, look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading

CohortUnit = Literal["day", "week"]
Cells = dict[tuple[date, date], int]
"""Visitors by two dates: the first day of their cohort, and of the day or week they came again."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The visitors whose first visit was on the same day, or in the same week."""

    starts_on: date
    size: int
    returned: list[int]
    """How many of them came 0, 1, 2 ... days or weeks later, up to the end of the period, and up to
    31 days. The first number is `size`."""
    is_complete: list[bool]
    """For each number of `returned`, whether that day or week is over and wholly in the period. If
    not, the number may grow; the first one is about `size`."""


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

    A visitor is a session in the browser's storage, for as long as that lasts. Visitors belong to
    the day of their first stored event, even if that is before the period. Days or weeks without a
    new visitor are left out.

    Args:
        period: the days. A cohort starts in the period: a week if its Monday does. In the last 30
            days, four or five weeks start, the current one included. A partial first week is left
            out, as it would miss new visitors.
        unit: of cohorts and of coming back. Weeks run from Monday to Sunday.
        returning: what counts as coming back; any event if None. A step with conditions is counted
            from the events themselves: this takes longer, the more there are. The `notices` of the
            answer name a field that no event has.

    Raises:
        UnknownEventType: a `ValueError`; the type of `returning` is neither accepted nor stored.
    """
    places = sorted({_place(date_, unit) for date_ in period.dates()})
    places = [place for place in places if place >= period.first]
    if not places:
        return Rows([], [])
    with reading.counts() as connection:
        notices = look_at_names(reading, connection, [returning]) if returning else []
        visitors = _counted(connection, period, unit, ALL_TYPES)
        if returning is None:
            back = visitors
        elif returning.conditions:
            back = _read(reading, connection, period, unit, returning)
        else:
            back = _counted(connection, period, unit, returning.event_type)
    today = date_in(reading.zone, datetime.now(UTC))
    cohorts = [
        Cohort(
            place,
            visitors[place, place],
            [visitors[place, place], *(back[place, later] for later in following[1:])],
            [_is_complete(later, unit, period, today) for later in following],
        )
        for number, place in enumerate(places)
        if visitors[place, place]
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
    for cohort, date_, sessions in rows:
        cells[cohort, _place(date_, unit)] += sessions
    return cells


def _read(
    reading: Reading, connection: Connection, period: Period, unit: CohortUnit, returning: Step
) -> Cells:
    """Count the visitors who took a step with conditions, from the events themselves."""
    zone, roles = reading.zone, reading.refresher.meaning.roles
    start, end = day(period.first, zone).start, day(period.last, zone).end
    places: dict[str, set[date]] = defaultdict(set)
    with events_between(connection, start, end, [returning.event_type]) as events:
        for session_id, event_type, payload, at in events:
            if returning.matches(event_type, payload, roles):
                places[session_id].add(_place(date_in(zone, at), unit))
    cells: Cells = defaultdict(int)
    for session_id, first in first_days(connection, places).items():
        for place in places[session_id]:
            cells[_place(first, unit), place] += 1
    return cells


def _place(date_: date, unit: CohortUnit) -> date:
    return date_ if unit == "day" else monday_of(date_)


def _is_complete(place: date, unit: CohortUnit, period: Period, today: date) -> bool:
    last = place if unit == "day" else place + timedelta(days=6)
    return last <= period.last and last < today
