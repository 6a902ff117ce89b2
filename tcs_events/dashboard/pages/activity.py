"""Events and visits over time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from tcs_events.counts.days import day as day_of
from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import BarChart, Point, bar_chart
from tcs_events.dashboard.formats import day, moment, short_day
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.table import MAX_ROWS, Table
from tcs_events.reports import Activity
from tcs_events.reports.activity import ACTIVITY_COLUMNS, TOTAL_COLUMNS, Unit

UNITS: tuple[Unit, ...] = ("day", "hour", "week")
MAX_DAYS = {"hour": 14, "day": 400, "week": 3660}
"""The most days on the page, by unit: a chart with more bars could not be read."""
COUNTS = {"hour": "Visitors", "day": "Visits", "week": "Visits"}
MEANS = {
    "hour": "visitors with at least one event in the hour",
    "day": "visits; a visit is a visitor's day",
    "week": "visits; a visit is a visitor's day",
}

by_type = Table(
    "totals",
    "By event type",
    "All events of the period, by type.",
    TOTAL_COLUMNS,
    lambda asked, limit: sorted(
        _of_type(asked, asked.reports.total_activity(asked.period).values()),
        key=lambda row: row.event_type,
    )[:limit],
    filters=("type",),
)
over_time = Table(
    "activity",
    "Every count",
    "Events and visits over time, by event type. By hour, the visitors of each hour are counted.",
    ACTIVITY_COLUMNS,
    lambda asked, limit: _of_type(asked, asked.reports.activity(asked.period, unit_of(asked)))[
        :limit
    ],
    keeps=("unit",),
    filters=("type",),
)


def _of_type(asked: Asked, rows: Iterable[Activity]) -> list[Activity]:
    """Return the rows of the type that the URL narrows down to; all rows if there is none."""
    event_type = asked.filters.event_type
    return [row for row in rows if event_type in ("", row.event_type)]


def unit_of(asked: Asked) -> Unit:
    """Return the unit of time that the URL asks for."""
    return asked.choice("unit", UNITS)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the totals, and the counts over time without a limit: the charts need them all."""
    return {
        "unit": unit_of(asked),
        "activity": over_time.rows(asked, MAX_ROWS),
        "totals": by_type.rows(asked, limit),
    }


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return a chart of all visits, and a small one for each event type."""
    rows: list[Activity] = sorted(answer["activity"], key=lambda row: row.event_type)
    charts = [
        chart(f"type-{number}", event_type, answer["unit"], asked, list(type_rows))
        for number, (event_type, type_rows) in enumerate(groupby(rows, lambda row: row.event_type))
    ]
    return {"charts": charts[:1], "by_type": charts[1:], "units": UNITS, "is_empty": not rows}


def chart(
    chart_id: str, event_type: str, unit: Unit, asked: Asked, rows: list[Activity]
) -> BarChart:
    """Return a chart of one type's visits over time, with 0 where there were none."""
    # By UTC: in the hour when clocks go back, two different hours have the same local time.
    visits = {row.starts_at.astimezone(UTC): row.sessions for row in rows}
    starts = _hours(asked) if unit == "hour" else [row.starts_at for row in rows]
    points = [
        Point(*label(start, unit, asked), visits.get(start.astimezone(UTC), 0)) for start in starts
    ]
    title = f"{event_type or 'All types'} by {unit}"
    return bar_chart(
        chart_id,
        title,
        MEANS[unit],
        points,
        counts=COUNTS[unit],
        is_small=event_type != asked.filters.event_type,
    )


def label(start: datetime, unit: Unit, asked: Asked) -> tuple[str, str]:
    """Return the name of an hour, day or week: in full, and for the axis."""
    if unit == "hour":
        return moment(start), short_day(start) if start.hour == 0 else ""
    if unit == "week":
        return f"week from {day(start)}", short_day(start)
    is_today = start.date() == asked.reports.last_days(1).last
    return day(start) + (" so far" if is_today else ""), short_day(start)


def _hours(asked: Asked) -> list[datetime]:
    zone, period = asked.reports.zone, asked.period
    start, end = day_of(period.first, zone).start, day_of(period.last, zone).end
    hours = []
    # In steps of real hours: a day has 23 or 25 of them when clocks change.
    while start < end:
        hours.append(start.astimezone(zone))
        start += timedelta(hours=1)
    return hours


page = Page(
    "activity",
    "Activity",
    "How much was going on?",
    "Visits over time, in all and by event type.",
    answer,
    show,
    (by_type, over_time),
    keeps=("unit",),
    filters=("type",),
    max_days=lambda asked: MAX_DAYS[unit_of(asked)],
)
