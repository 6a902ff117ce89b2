"""How much was going on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from tcs_events.counts.days import day
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
    """When it began, in the zone of the reports. A week begins on Monday, or with the period."""
    event_type: str
    """The type; "" for all types together."""
    events: int
    sessions: int
    """Sessions that sent at least one of these events: in an hour; on a day; or the sum of the
    days of a week."""


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
    """Return what was going on, oldest first and then by type.

    Days and weeks without events are there, with 0, under the types that the period has; hours
    are listed only where something happened. No events in the period give an empty list.
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
        (_bucket(of_day, unit, period), event_type): [0, 0]
        for event_type in {row.event_type for row in rows}
        for of_day in period.dates()
    }
    for of_day, event_type, events, sessions in rows:
        bucket = buckets[_bucket(of_day, unit, period), event_type]
        bucket[0] += events
        bucket[1] += sessions
    zone = reading.zone
    return [
        Activity(day(of_day, zone).start.astimezone(zone), event_type, events, sessions)
        for (of_day, event_type), (events, sessions) in sorted(buckets.items())
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


def _bucket(of_day: date, unit: Unit, period: Period) -> date:
    if unit == "day":
        return of_day
    return max(of_day - timedelta(days=of_day.weekday()), period.first)


def first_day(reading: Reading) -> date | None:
    """Return the day of the oldest event, in the zone of the reports; None where there is none."""
    with reading.counts() as connection:
        first: date | None = connection.scalar(sa.select(sa.func.min(days.c.day)))
    return first


def total_activity(reading: Reading, period: Period) -> dict[str, Activity]:
    """Return the sums over a period by type, "" for all types; an empty dict where nothing was."""
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
