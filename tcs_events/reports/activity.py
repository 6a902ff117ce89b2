"""How many events and visits there were, over time and by event type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from tcs_events.counts.days import day, monday_of
from tcs_events.counts.facts import ALL_TYPES
from tcs_events.counts.tables import activity as counts
from tcs_events.counts.tables import days
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading, total

Unit = Literal["hour", "day", "week"]
TYPE = counts.c.event_type


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
    zone = reading.zone
    if unit == "hour":
        hours = sorted(_sums(reading, period, counts.c.starts_at, TYPE, by_hour=True))
        return [Activity(starts_at.astimezone(zone), *rest) for starts_at, *rest in hours]
    rows = _sums(reading, period, counts.c.day, TYPE)
    buckets: dict[tuple[date, str], list[int]] = {
        (_bucket(date_, unit, period), event_type): [0, 0]
        for event_type in {row.event_type for row in rows}
        for date_ in period.dates()
    }
    for date_, event_type, events, sessions in rows:
        bucket = buckets[_bucket(date_, unit, period), event_type]
        bucket[0] += events
        bucket[1] += sessions
    return [
        Activity(day(start, zone).start.astimezone(zone), event_type, events, sessions)
        for (start, event_type), (events, sessions) in sorted(buckets.items())
    ]


def _sums(
    reading: Reading, period: Period, *keys: sa.Column[Any], by_hour: bool = False
) -> list[Any]:
    """Return the events and visits of a period by the keys, in no order."""
    is_hour = counts.c.starts_at.is_not(None) if by_hour else counts.c.starts_at.is_(None)
    with reading.counts() as connection:
        rows = connection.execute(
            sa.select(*keys, total(counts.c.events), total(counts.c.sessions))
            .where(counts.c.day.between(period.first, period.last), is_hour)
            .group_by(*keys)
        )
        return list(rows)


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
    zone = reading.zone
    start = day(period.first, zone).start.astimezone(zone)
    return {
        event_type: Activity(start, event_type, events, sessions)
        for event_type, events, sessions in _sums(reading, period, TYPE)
    }


__all__ = ["ALL_TYPES", "Activity", "Unit", "activity", "first_day", "total_activity"]
