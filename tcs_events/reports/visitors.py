"""How many visitors there were, new and returning."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.spans import in_pieces, month_of, pieces_of, week_of
from tcs_events.counts.steps import Step
from tcs_events.counts.tables import activity
from tcs_events.counts.tables import visitors as counts
from tcs_events.database.sums import whole_sum
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.names import look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading

Visits = dict[str, dict[date, tuple[int, int]]]
"""The visits and the events of each day, by event type."""


@dataclass(frozen=True, slots=True)
class TypeVisitors:
    """The visitors of a period who sent events of one type."""

    event_type: str
    """The type; "" for all types together."""
    visitors: int
    """Each `session_id` counts once, on however many days it came."""
    new: int
    """Those whose first stored event, of any type, is in the period."""
    returning: int
    """The others: they were there before the period, too."""
    visits: int
    """Days of visitors: a visitor who came on three days has three."""
    events: int


@dataclass(frozen=True, slots=True)
class DayVisitors:
    """The visitors of a day. On a single day, they are its visits, too."""

    day: date
    visitors: int
    new: int
    """Those whose first stored event, of any type, is on the day."""
    returning: int
    events: int


@dataclass(frozen=True, slots=True)
class Visitors:
    """The visitors of a period, of all event types together or of the one that was asked for."""

    visitors: int
    """Each `session_id` counts once, on however many days it came. Visitors do not add up over
    days, nor over event types."""
    new: int
    """Those whose first stored event, of any type, is in the period."""
    returning: int
    """The others: they were there before the period, too."""
    visits: int
    """Days of visitors: a visitor who came on three days has three."""
    events: int
    by_type: list[TypeVisitors]
    """The same by event type, most visitors first. Only the type that was asked for, if one was."""
    by_day: list[DayVisitors]
    """Each day of the period, oldest first, also days without visitors."""


_OF_A_PERIOD: Columns = (
    Column("visitors", "Visitors", "different visitors, each of them once", "bar"),
    Column("new", "New", "visitors whose first stored event is in the period", "count"),
    Column("returning", "Returning", "visitors who were there before the period, too", "count"),
    Column(
        "visits",
        "Visits",
        "days of visitors: who came on three days has three visits",
        "count",
        value=lambda row: row.visits,
    ),
    Column("events", "Events", "every event that was stored", "count"),
)
TYPE_COLUMNS: Columns = (
    Column(
        "event_type",
        "Event type",
        "the type of the events",
        value=lambda row: row.event_type or "all types",
    ),
    *_OF_A_PERIOD,
)
DAY_COLUMNS: Columns = (
    Column("day", "Day", "the day", "day"),
    Column("visitors", "Visitors", "visitors with an event on the day", "bar"),
    Column("new", "New", "visitors whose first stored event is on the day", "count"),
    Column("returning", "Returning", "visitors who were there before the day, too", "count"),
    Column("events", "Events", "every event that was stored", "count"),
)


def visitors(  # noqa: D417 - `Reports` passes itself
    reading: Reading, period: Period, event_type: str | None = None
) -> Visitors:
    """Return how many visitors there were in a period, exactly, and how many of them were new.

    A visitor is a session in the browser's storage, for as long as that lasts. A period without
    events has 0 of everything.

    Args:
        period: the days.
        event_type: count only visitors who sent this type, and only their visits and events with
            it. None counts all types. A visitor is new if the first stored event of any type is in
            the period: who was there before the period and sent the type later is returning.

    Raises:
        UnknownEventType: a `ValueError`; the type is neither accepted nor stored.
    """
    with reading.counts() as connection:
        if event_type is not None:
            look_at_names(reading, connection, [Step(event_type)])
        visits = _visits(connection, period)
        all_visitors = _visitors(connection, period, event_type)
        visitors_by_day = _visitors_by_day(connection, period, event_type or ALL_TYPES)

    def of(name: str) -> tuple[int, int, int, int, int]:
        days = visits[name].values()
        count, new = all_visitors.get(name, (0, 0))
        return count, new, count - new, sum(day[0] for day in days), sum(day[1] for day in days)

    by_type = [TypeVisitors(name, *of(name)) for name in sorted(all_visitors) if name != ALL_TYPES]
    by_type.sort(key=lambda row: -row.visitors)
    asked = event_type or ALL_TYPES
    days = []
    for day in period.dates():
        _, events = visits[asked].get(day, (0, 0))
        # Both from one table: a day that is being counted may be in one table and not in the other.
        count, new = visitors_by_day.get(day, (0, 0))
        days.append(DayVisitors(day, count, new, count - new, events))
    return Visitors(*of(asked), by_type, days)


def _visits(connection: Connection, period: Period) -> Visits:
    visits: Visits = defaultdict(dict)
    query = sa.select(
        activity.c.event_type, activity.c.day, activity.c.sessions, activity.c.events
    ).where(
        activity.c.day.between(period.first, period.last),
        activity.c.starts_at.is_(None),
    )
    for event_type, day, sessions, events in connection.execute(query):
        visits[event_type][day] = sessions, events
    return visits


def _visitors(
    connection: Connection, period: Period, event_type: str | None
) -> dict[str, tuple[int, int]]:
    """Return the visitors of a period and how many of them were new, by event type."""
    # The rows of weeks and months are always complete: they change with those of the days.
    spans = {span[:2] for day in period.dates() for span in (week_of(day), month_of(day))}
    is_first, is_in_period = counts.c.is_first == sa.true(), counts.c.since >= period.first
    query = (
        sa.select(
            counts.c.event_type,
            whole_sum(counts.c.visitors),
            whole_sum(sa.case((is_first & is_in_period, counts.c.visitors), else_=0)),
        )
        .where(
            in_pieces(counts, pieces_of(period.first, period.last, spans)),
            is_first | ~is_in_period,
        )
        .group_by(counts.c.event_type)
    )
    if event_type is not None:
        query = query.where(counts.c.event_type == event_type)
    return {name: (count, new) for name, count, new in connection.execute(query)}


def _visitors_by_day(
    connection: Connection, period: Period, event_type: str
) -> dict[date, tuple[int, int]]:
    """Return the visitors of each day, and how many of them were new."""
    is_new = (counts.c.is_first == sa.true()) & (counts.c.since == counts.c.day)
    query = (
        sa.select(
            counts.c.day,
            whole_sum(counts.c.visitors),
            whole_sum(sa.case((is_new, counts.c.visitors), else_=0)),
        )
        .where(
            counts.c.event_type == event_type,
            counts.c.unit == "day",
            counts.c.day.between(period.first, period.last),
        )
        .group_by(counts.c.day)
    )
    return {day: (count, new) for day, count, new in connection.execute(query)}
