"""How many visitors come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import Where, conditions_of
from tcs_events.counts.days import date_in, day, monday_of
from tcs_events.counts.events import events_between
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.sampled import drawn_sessions
from tcs_events.counts.steps import Step
from tcs_events.counts.tables import retention as counts
from tcs_events.counts.visits import (
    LATER_DAYS,
    first_days,
    new_of_type,
    visits_between,
    visits_of,
)
from tcs_events.database.batches import batches
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.estimates import halvings_of_question
from tcs_events.reports.margins import margin_of_count
from tcs_events.reports.names import Rows, look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import in_words

CohortUnit = Literal["day", "week"]
Cells = dict[tuple[date, date], int]
"""Visitors by two dates: the first day of their cohort, and of the day or week they came again."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The visitors who began on the same day, or in the same week.

    They began with their first visit, or with their first event of a type, if one was asked about.
    """

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
        "Cohort",
        "the day, or the Monday of the week, on which they began",
        "day",
    ),
    Column("size", "Visitors", "visitors who began then", "bar"),
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
    event_type: str | None = None,
    where: Where = None,
) -> Rows[Cohort]:
    """Return how many visitors came back, the oldest cohort first.

    A visitor is a session in the browser's storage, for as long as that lasts. Visitors belong to
    the day of their first stored event, or of their first one with `event_type` and `where`, even
    if that is before the period. Days or weeks without such a visitor are left out.

    Args:
        period: the days. A cohort starts in the period: a week if its Monday does. In the last 30
            days, four or five weeks start, the current one included. A partial first week is left
            out, as it would miss new visitors.
        unit: of cohorts and of coming back. Weeks run from Monday to Sunday.
        returning: what counts as coming back; any event if None.
        event_type: the type of the event with which a visitor's cohort begins; None for any event.
        where: conditions on the payload of that event, such as `{"plan": "pro"}`.

    A step or an event with conditions is counted from the events themselves: this takes longer, the
    more there are. The `notices` of the answer name a property that no event has.

    Raises:
        ValueError: `where` is not a condition, or comes without `event_type`.
        UnknownEventType: a `ValueError`; a type is neither accepted nor stored.
        QuestionTimeout: reading took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
    """
    began = _first_step(event_type, where)
    places = sorted({_place(date_, unit) for date_ in period.dates()})
    places = [place for place in places if place >= period.first]
    if not places:
        return Rows([], [])
    drawn_by = began
    if began is None and returning is not None and returning.conditions:
        drawn_by = returning
    halvings = 0
    if drawn_by is not None:  # asked before there is a connection: one after the other
        halvings = halvings_of_question(reading, period, drawn_by.event_type)
    with reading.counts() as connection:
        notices = look_at_names(reading, connection, [s for s in (began, returning) if s])
        if began is not None:
            visitors, back = _of_cohorts(
                reading, connection, period, unit, began, returning, halvings
            )
        else:
            visitors = back = _counted(connection, period, unit, ALL_TYPES)
            if returning is not None and returning.conditions:
                back = _read(reading, connection, period, unit, returning, halvings)
            elif returning is not None:
                back = _counted(connection, period, unit, returning.event_type)
    today = date_in(reading.zone, datetime.now(UTC))
    cohorts = [
        Cohort(
            place,
            visitors[place, place],
            # Only those who came back may be an estimate: there are not more than there were.
            [
                visitors[place, place],
                *(min(back[place, later], visitors[place, place]) for later in following[1:]),
            ],
            [_is_complete(later, unit, period, today) for later in following],
        )
        for number, place in enumerate(places)
        if visitors[place, place]
        for following in [places[number:][: LATER_DAYS + 1 if unit == "day" else None]]
    ]
    if not halvings:
        return Rows(cohorts, notices)
    sampled = 2**-halvings
    estimated = [
        number for cohort in cohorts for number in cohort.returned[0 if began is not None else 1 :]
    ]
    notices.append(in_words(sampled) + ".")
    if estimated:
        margin = margin_of_count(max(estimated) >> halvings, sampled)
        notices.append(
            f"Each number of visitors is within {round(margin):,} of the true one in 95 of 100"
            " cases."
        )
    return Rows(cohorts, notices, sampled)


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
    reading: Reading,
    connection: Connection,
    period: Period,
    unit: CohortUnit,
    returning: Step,
    halvings: int,
) -> Cells:
    """Count the visitors who took a step with conditions, from the events themselves."""
    drawn = _drawn(connection, period, returning, halvings)
    places = _days_of(reading, connection, period, returning, drawn)
    return _cells(first_days(connection, places), places.items(), unit, halvings)


def _drawn(connection: Connection, period: Period, step: Step, halvings: int) -> list[str] | None:
    """Return the visitors of a sample who sent the type of a step; None to read all visitors."""
    if not halvings:
        return None
    return drawn_sessions(connection, period.first, period.last, [step.event_type], halvings)


def _of_cohorts(
    reading: Reading,
    connection: Connection,
    period: Period,
    unit: CohortUnit,
    began: Step,
    returning: Step | None,
    halvings: int,
) -> tuple[Cells, Cells]:
    """Count the visitors who first took a step in the period, and those of them who came back."""
    drawn = _drawn(connection, period, began, halvings)
    if began.conditions:
        days = _days_of(reading, connection, period, began, drawn)
        firsts = {session_id: min(dates) for session_id, dates in days.items()}
        for session_id in _earlier(reading, connection, period, began, list(firsts)):
            del firsts[session_id]
    elif drawn is not None:
        days_of_type = first_days(connection, drawn, began.event_type)
        firsts = {name: first for name, first in days_of_type.items() if first >= period.first}
    else:
        firsts = new_of_type(connection, period.first, period.last, began.event_type)
    first_cells = ((session_id, {first}) for session_id, first in firsts.items())
    visitors = _cells(firsts, first_cells, unit, halvings)
    if returning is not None and returning.conditions:
        back = _days_of(reading, connection, period, returning, drawn)
        return visitors, _cells(firsts, back.items(), unit, halvings)
    event_type = None if returning is None else returning.event_type
    if drawn is not None:
        visits_of_drawn = visits_of(connection, period.first, period.last, event_type, firsts)
        return visitors, _cells(firsts, visits_of_drawn.items(), unit, halvings)
    with visits_between(connection, period.first, period.last, event_type) as visits:
        return visitors, _cells(firsts, visits, unit)


def _days_of(
    reading: Reading,
    connection: Connection,
    period: Period,
    step: Step,
    sessions: Sequence[str] | None = None,
) -> dict[str, set[date]]:
    """Return the days on which each session took a step, from the events themselves.

    Those of all sessions, or of the given ones.
    """
    zone, roles = reading.zone, reading.refresher.meaning.roles
    start, end = day(period.first, zone).start, day(period.last, zone).end
    days: dict[str, set[date]] = defaultdict(set)
    for batch in [None] if sessions is None else batches(sessions):
        with events_between(connection, start, end, [step.event_type], batch) as events:
            for session_id, event_type, payload, at in events:
                if step.matches(event_type, payload, roles):
                    days[session_id].add(date_in(zone, at))
    return days


def _earlier(
    reading: Reading, connection: Connection, period: Period, step: Step, sessions: list[str]
) -> set[str]:
    """Return those of the sessions that took a step before the period."""
    zone, roles = reading.zone, reading.refresher.meaning.roles
    # Most visitors have no visit before the period. Of the others, the events are read.
    days = first_days(connection, sessions, step.event_type)
    before = {session_id: date_ for session_id, date_ in days.items() if date_ < period.first}
    if not before:
        return set()
    start, end = day(min(before.values()), zone).start, day(period.first, zone).start
    found: set[str] = set()
    for batch in batches(sorted(before)):
        with events_between(connection, start, end, [step.event_type], batch) as events:
            for session_id, event_type, payload, _ in events:
                if session_id not in found and step.matches(event_type, payload, roles):
                    found.add(session_id)
    return found & set(sessions)


def _cells(
    firsts: dict[str, date],
    days: Iterable[tuple[str, set[date]]],
    unit: CohortUnit,
    halvings: int = 0,
) -> Cells:
    """Count sessions by the place of their first day, and each place of their other days.

    Each session of a sample stands for all that were halved away.
    """
    cells: Cells = defaultdict(int)
    for session_id, dates in days:
        if session_id in firsts:
            first = _place(firsts[session_id], unit)
            for place in {_place(date_, unit) for date_ in dates}:
                cells[first, place] += 1 << halvings
    return cells


def _first_step(event_type: str | None, where: Where) -> Step | None:
    conditions = conditions_of(where)
    if event_type is not None:
        return Step(event_type, conditions)
    if conditions:
        raise ValueError("where needs an event_type: conditions are about the events of one type")
    return None


def _place(date_: date, unit: CohortUnit) -> date:
    return date_ if unit == "day" else monday_of(date_)


def _is_complete(place: date, unit: CohortUnit, period: Period, today: date) -> bool:
    last = place if unit == "day" else place + timedelta(days=6)
    return last <= period.last and last < today
