"""How many events and visits there were, over time and by event type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import sqlalchemy as sa

from tcs_events.counts.days import day, monday_of
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.tables import activity as counts
from tcs_events.counts.tables import days
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading, by_code_points, total

Unit = Literal["hour", "day", "week"]


@dataclass(frozen=True, slots=True)
class Activity:
    """The events of one type in one hour, day or week."""

    starts_at: datetime
    """The start, in the time zone of the reports. A week starts on Monday, or with the period."""
    event_type: str
    """The type; "" for all types together."""
    events: int
    sessions: int
    """Visits with at least one such event; of an hour, the visitors. A week adds up its days."""


_OF_A_TYPE: Columns = (
    Column(
        "event_type",
        "Event type",
        "the type of the events",
        value=lambda row: row.event_type or "all types",
    ),
    Column("events", "Events", "every event that was stored", "count"),
)
TOTAL_COLUMNS: Columns = (
    *_OF_A_TYPE,
    Column("visits", "Visits", "visits with at least one such event", "bar"),
)
ACTIVITY_COLUMNS: Columns = (
    Column("starts_at", "Begins", "when the day, hour or week begins", "moment"),
    *_OF_A_TYPE,
    Column(
        "visits",
        "Visits",
        "visits with at least one such event; by hour, visitors of the hour",
        "count",
    ),
)


def activity(reading: Reading, period: Period, unit: Unit = "day") -> list[Activity]:
    """Return the counts of each hour, day or week, oldest first and then by event type.

    A day or week without events has a row with 0 for each type of the period. An hour without
    events has no row. A period without events gives an empty list.
    """
    if unit == "hour":
        return _hours(reading, period)
    with reading.counts() as connection:
        rows = connection.execute(
            sa.select(counts.c.day, counts.c.event_type, counts.c.events, counts.c.sessions).where(
                counts.c.day.between(period.first, period.last), counts.c.starts_at.is_(None)
            )
        ).all()
    buckets: dict[tuple[date, str], list[int]] = {
        (_bucket(date_, unit, period), event_type): [0, 0]
        for event_type in {row.event_type for row in rows}
        for date_ in period.dates()
    }
    for date_, event_type, events, sessions in rows:
        bucket = buckets[_bucket(date_, unit, period), event_type]
        bucket[0] += events
        bucket[1] += sessions
    zone = reading.zone
    return [
        Activity(day(start, zone).start.astimezone(zone), event_type, events, sessions)
        for (start, event_type), (events, sessions) in sorted(buckets.items())
    ]


def _hours(reading: Reading, period: Period) -> list[Activity]:
    with reading.counts() as connection:
        rows = connection.execute(
            sa.select(
                counts.c.starts_at,
                counts.c.event_type,
                total(counts.c.events),
                total(counts.c.sessions),
            )
            .where(counts.c.day.between(period.first, period.last), counts.c.starts_at.is_not(None))
            .group_by(counts.c.starts_at, counts.c.event_type)
            .order_by(counts.c.starts_at, by_code_points(connection, counts.c.event_type))
        ).all()
    zone = reading.zone
    return [
        Activity(starts_at.astimezone(zone), event_type, events, sessions)
        for starts_at, event_type, events, sessions in rows
    ]


def _bucket(date_: date, unit: Unit, period: Period) -> date:
    if unit == "day":
        return date_
    return max(monday_of(date_), period.first)


def first_day(reading: Reading) -> date | None:
    """Return the day of the oldest event, in the time zone of the reports; None without events."""
    with reading.counts() as connection:
        first: date | None = connection.scalar(sa.select(sa.func.min(days.c.day)))
    return first


def total_activity(reading: Reading, period: Period) -> dict[str, Activity]:
    """Return the sums of a period by event type, "" for all types; empty without events."""
    with reading.counts() as connection:
        rows = connection.execute(
            sa.select(counts.c.event_type, total(counts.c.events), total(counts.c.sessions))
            .where(counts.c.day.between(period.first, period.last), counts.c.starts_at.is_(None))
            .group_by(counts.c.event_type)
        ).all()
    zone = reading.zone
    start = day(period.first, zone).start.astimezone(zone)
    return {
        event_type: Activity(start, event_type, events, sessions)
        for event_type, events, sessions in rows
    }


__all__ = ["ALL_TYPES", "Activity", "Unit", "activity", "first_day", "total_activity"]
