"""How much was going on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, get_args

from tcs_events.counts.days import day as day_of
from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import BarChart, Point, bar_chart
from tcs_events.dashboard.formats import day, moment, short_day
from tcs_events.dashboard.page import Answer, Page
from tcs_events.dashboard.tables import MAX_ROWS, Table
from tcs_events.reports import Activity
from tcs_events.reports.activity import ACTIVITY_COLUMNS, TOTAL_COLUMNS, Unit

UNITS: tuple[Unit, ...] = ("day", "hour", "week")
MAX_DAYS = {"hour": 14, "day": 400, "week": 3660}
"""More bars than that are no chart. Days a page shows, by unit."""
COUNTS = {"hour": "Visitors", "day": "Visits", "week": "Visits"}
MEANS = {
    "hour": "visitors with at least one event in the hour",
    "day": "visits; a visit is a visitor's day",
    "week": "visits; a visit is a visitor's day",
}

by_type = Table(
    "totals",
    "By type",
    "All that was sent in the period, by type of event.",
    TOTAL_COLUMNS,
    lambda asked, limit: [
        row
        for _, row in sorted(
            asked.reports.total_activity(asked.period).items(), key=lambda item: item[0]
        )
    ][:limit],
)
over_time = Table(
    "activity",
    "Every count",
    "Events and visits by time and by type. By hour, visitors of the hour are counted.",
    ACTIVITY_COLUMNS,
    lambda asked, limit: asked.reports.activity(asked.period, unit_of(asked))[:limit],
    keeps=("unit",),
)


def unit_of(asked: Asked) -> Unit:
    """Return what time is counted in."""
    unit = asked.choice("unit", UNITS)
    return next(one for one in get_args(Unit) if one == unit)


def answer(asked: Asked, limit: int) -> Answer:
    """Return the counts over time (all of them: the charts need them) and the totals."""
    return {
        "unit": unit_of(asked),
        "activity": over_time.rows(asked, MAX_ROWS),
        "totals": by_type.rows(asked, limit),
    }


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Draw a chart of the visits, and a small one of each type."""
    rows: list[Activity] = sorted(answer["activity"], key=lambda row: row.event_type)
    charts = [
        chart(f"type-{number}", event_type, answer["unit"], asked, list(of_type))
        for number, (event_type, of_type) in enumerate(groupby(rows, lambda row: row.event_type))
    ]
    return {"charts": charts, "units": UNITS, "is_empty": not rows}


def chart(
    chart_id: str, event_type: str, unit: Unit, asked: Asked, rows: list[Activity]
) -> BarChart:
    """Return the visits of one type over time, with 0 where nothing was."""
    visits = {row.starts_at.astimezone(UTC): row.sessions for row in rows}
    starts = _hours(asked) if unit == "hour" else [row.starts_at for row in rows]
    points = [
        Point(*label(start, unit, asked), visits.get(start.astimezone(UTC), 0)) for start in starts
    ]
    title = f"{event_type or 'All types'} by {unit}"
    return bar_chart(
        chart_id, title, MEANS[unit], points, counts=COUNTS[unit], is_small=bool(event_type)
    )


def label(start: datetime, unit: Unit, asked: Asked) -> tuple[str, str]:
    """Name an hour, day or week, in full and for an axis."""
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
    while start < end:
        hours.append(start.astimezone(zone))
        start += timedelta(hours=1)
    return hours


page = Page(
    "activity",
    "Activity",
    "How much was going on?",
    "Visits over time, all together and by type of event.",
    answer,
    show,
    (by_type, over_time),
    keeps=("unit",),
    max_days=lambda asked: MAX_DAYS[unit_of(asked)],
)
