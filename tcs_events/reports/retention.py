"""How many visitors come back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Literal

from tcs_events.reports.funnel import Step
from tcs_events.reports.period import Period
from tcs_events.reports.reading import reading_events, this_registration
from tcs_events.rollups.days import date_in, day
from tcs_events.rollups.events import event_types, events_between

CohortUnit = Literal["day", "week"]


@dataclass(frozen=True, slots=True)
class Cohort:
    """The sessions that came for the first time in the same day or week of the period."""

    starts_on: date
    size: int
    returned: list[int]
    """How many of them were there 0, 1, 2 ... days or weeks later, as far as the period goes. The
    first is `size`."""


def retention(
    period: Period, unit: CohortUnit = "week", returning: Step | None = None
) -> list[Cohort]:
    """Return how many visitors came back, the oldest cohort first.

    A session lives in the browser's storage, so that it is a visitor for as long as that lasts.
    The first visit is the first one of the period. Reads the events themselves.

    Args:
        period: the days.
        unit: of cohorts and of returning. Weeks begin on Monday, or with the period.
        returning: what counts as coming back: any event where it is None.
    """
    zone = this_registration().settings.timezone
    start, end = day(period.first, zone).start, day(period.last, zone).end
    places = sorted({_bucket(of_day, unit, period) for of_day in period.dates()})
    index = {place: number for number, place in enumerate(places)}
    sizes: dict[int, int] = defaultdict(int)
    returned: dict[tuple[int, int], int] = defaultdict(int)
    with reading_events() as connection:
        events = events_between(connection, start, end, event_types(connection))
        for _, session in groupby(events, key=lambda event: event[0]):
            visits = [
                (index[_bucket(date_in(zone, at), unit, period)], event_type, payload)
                for _, event_type, payload, at in session
            ]
            first = min(place for place, _, _ in visits)
            sizes[first] += 1
            back = {
                place
                for place, event_type, payload in visits
                if place > first and (returning is None or returning.matches(event_type, payload))
            }
            for place in back:
                returned[first, place - first] += 1
    return [
        Cohort(
            place,
            sizes[number],
            [
                sizes[number] if later == 0 else returned[number, later]
                for later in range(len(places) - number)
            ],
        )
        for number, place in enumerate(places)
        if sizes[number]
    ]


def _bucket(of_day: date, unit: CohortUnit, period: Period) -> date:
    if unit == "day":
        return of_day
    return max(of_day - timedelta(days=of_day.weekday()), period.first)
