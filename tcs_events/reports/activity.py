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
from tcs_events.reports.period import Period
from tcs_events.reports.reading import (
    by_code_points,
    reading_counts,
    this_registration,
    total,
)

Unit = Literal["hour", "day", "week"]


@dataclass(frozen=True, slots=True)
class Activity:
    """How many events of one type there were in an hour, day or week."""

    starts_at: datetime
    """When it began, in the zone of the reports. A week begins on Monday, or with the period."""
    event_type: str
    """The event type. "" is all types together."""
    events: int
    sessions: int
    """Visits with at least one of these events. By hour: visitors of the hour."""


def activity(period: Period, unit: Unit = "day") -> list[Activity]:
    """Return events and visits by time and type, oldest first and then by type.

    Every type of the period has a row for every day or week, with 0 if nothing happened. Hours
    without events have no row. A period without events gives an empty list.
    """
    if unit == "hour":
        return _hours(period)
    with reading_counts() as connection:
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
    zone = this_registration().settings.timezone
    return [
        Activity(day(of_day, zone).start.astimezone(zone), event_type, events, sessions)
        for (of_day, event_type), (events, sessions) in sorted(buckets.items())
    ]


def _hours(period: Period) -> list[Activity]:
    with reading_counts() as connection:
        rows = connection.execute(
            sa.select(
                counts.c.starts_at,
                counts.c.event_type,
                total(counts.c.events),
                total(counts.c.sessions),
            )
            .where(counts.c.day.between(period.first, period.last), counts.c.starts_at.is_not(None))
            .group_by(counts.c.starts_at, counts.c.event_type)
            .order_by(counts.c.starts_at, by_code_points(counts.c.event_type))
        ).all()
    zone = this_registration().settings.timezone
    return [
        Activity(starts_at.astimezone(zone), event_type, events, sessions)
        for starts_at, event_type, events, sessions in rows
    ]


def _bucket(of_day: date, unit: Unit, period: Period) -> date:
    if unit == "day":
        return of_day
    return max(of_day - timedelta(days=of_day.weekday()), period.first)


def first_day() -> date | None:
    """Return the day of the oldest event, in the time zone of the reports. None without events."""
    with reading_counts() as connection:
        first: date | None = connection.scalar(sa.select(sa.func.min(days.c.day)))
    return first


def total_activity(period: Period) -> dict[str, Activity]:
    """Return the sums of a period by event type. "" is all types; no events give an empty dict."""
    with reading_counts() as connection:
        rows = connection.execute(
            sa.select(counts.c.event_type, total(counts.c.events), total(counts.c.sessions))
            .where(counts.c.day.between(period.first, period.last), counts.c.starts_at.is_(None))
            .group_by(counts.c.event_type)
        ).all()
    zone = this_registration().settings.timezone
    start = day(period.first, zone).start.astimezone(zone)
    return {
        event_type: Activity(start, event_type, events, sessions)
        for event_type, events, sessions in rows
    }


__all__ = ["ALL_TYPES", "Activity", "Unit", "activity", "first_day", "total_activity"]
