"""Visitors, visits and events over time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from tcs_events.counts.days import day as day_of
from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import BarChart, Point, bar_chart, labelled
from tcs_events.dashboard.formats import count, day, moment, plural, short_day
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.pages.comparison import period_before
from tcs_events.dashboard.table import Table
from tcs_events.errors import UnknownEventType
from tcs_events.reports import Activity, Period, TypeVisitors, Visitors
from tcs_events.reports.activity import ACTIVITY_COLUMNS, ALL_TYPES, TOTAL_COLUMNS, Unit
from tcs_events.reports.visitors import DAY_COLUMNS, TYPE_COLUMNS

UNITS: tuple[Unit, ...] = ("day", "hour", "week")
DAYS_BY_DAY = 120
"""A longer period is by week if the URL does not say."""
MAX_DAYS = {"hour": 14, "day": 400, "week": 3660}
"""The most days on the page, by unit: a chart with more bars could not be read."""
TYPES_IN_TIP = 8
"""The most event types that the tooltip of a bar lists."""
COUNTS = {"hour": "Visitors", "day": "Visits", "week": "Visits"}
MEANS = {
    "hour": "visitors with at least one event in the hour",
    "day": "visits; a visit is a visitor's day",
    "week": "visits; a visit is a visitor's day",
}

by_type = Table(
    "totals",
    "By event type",
    "All events of the period, by type. Choose a type to see it alone.",
    TOTAL_COLUMNS,
    lambda asked, limit: sorted(
        _of_type(asked, asked.reports.total_activity(asked.period).values()),
        key=lambda row: row.event_type,
    )[:limit],
    filters=("type",),
    leads_to={"event_type": lambda row, asked: ("activity", {"type": row.event_type or None})},
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
visitors = Table(
    "visitors_by_type",
    "Visitors by event type",
    "Each visitor of the period counts once. New ones have their first event in it. Choose a type"
    " to explore it.",
    TYPE_COLUMNS,
    lambda asked, limit: _visitors_of_types(asked, _visitors(asked))[:limit],
    filters=("type",),
    leads_to={
        "event_type": lambda row, asked: (
            ("explore", {"type": row.event_type}) if row.event_type else None
        )
    },
)
visitors_by_day = Table(
    "visitors_by_day",
    "Visitors by day",
    "A visitor of several days counts on each of them, and is new on the first day.",
    DAY_COLUMNS,
    lambda asked, limit: _visitors(asked).by_day[:limit],
    filters=("type",),
    leads_to={
        "day": lambda row, asked: ("activity", {"from": f"{row.day}", "to": f"{row.day}"}),
    },
)


def _visitors(asked: Asked) -> Visitors:
    """Return the visitors of the period, of the type that the URL narrows down to."""
    try:
        return asked.reports.visitors(asked.period, asked.filters.event_type or None)
    except UnknownEventType:
        return Visitors(0, 0, 0, 0, 0, [], [])


def _visitors_of_types(asked: Asked, found: Visitors) -> list[TypeVisitors]:
    """Return the visitors of all types together and of each type; none without events."""
    if asked.filters.event_type or not found.visitors:
        return found.by_type
    together = found.visitors, found.new, found.returning, found.visits, found.events
    return [TypeVisitors(ALL_TYPES, *together), *found.by_type]


def _of_type(asked: Asked, rows: Iterable[Activity]) -> list[Activity]:
    """Return the rows of the type that the URL narrows down to; all rows if there is none."""
    event_type = asked.filters.event_type
    return [row for row in rows if event_type in ("", row.event_type)]


def unit_of(asked: Asked) -> Unit:
    """Return the unit of time that the URL asks for, or the one that suits the period."""
    default = default_unit(asked)
    return asked.choice("unit", (default, *(unit for unit in UNITS if unit != default)))


def default_unit(asked: Asked) -> Unit:
    """Return the unit of a chart: hours of a single day, and weeks of a long period."""
    if asked.period.days == 1:
        return "hour"
    return "day" if asked.period.days <= DAYS_BY_DAY else "week"


def answer(asked: Asked, limit: int) -> Answers:
    """Return the totals, and the counts over time without a limit: the charts need them all."""
    found = _visitors(asked)
    return {
        "unit": unit_of(asked),
        "activity": _of_type(asked, asked.reports.activity(asked.period, unit_of(asked))),
        "totals": by_type.rows(asked, limit),
        "visitors_by_type": _visitors_of_types(asked, found)[:limit],
        "visitors_by_day": found.by_day[:limit],
    }


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return a chart of all visits, and a small one for each event type."""
    unit = answer["unit"]
    compared = period_before(asked)
    rows, before = _by_type(answer["activity"]), _by_type(_before(asked, compared, unit))
    kinds = [*rows]
    details = _details(answer["activity"], unit) if ALL_TYPES in rows else {}
    charts = [
        chart(
            f"type-{number}",
            event_type or "All types",
            unit,
            asked,
            rows[event_type],
            # In a period with events, a type without any has 0.
            before.get(event_type, []) if before else None,
            is_small=event_type != asked.filters.event_type,
            details={} if event_type else details,
        )
        for number, event_type in enumerate(kinds)
    ]
    return {
        "charts": charts[:1],
        "by_type": charts[1:],
        "before": compared,
        "units": UNITS,
        "is_empty": not rows,
    }


def _before(asked: Asked, before: Period | None, unit: Unit) -> list[Activity]:
    return [] if before is None else _of_type(asked, asked.reports.activity(before, unit))


def _by_type(rows: list[Activity]) -> dict[str, list[Activity]]:
    ordered = sorted(rows, key=lambda row: row.event_type)
    return {name: list(group) for name, group in groupby(ordered, lambda row: row.event_type)}


def _details(rows: list[Activity], unit: Unit) -> dict[datetime, tuple[str, ...]]:
    """Return what else there was at the same time: all events, and the types with most visits."""
    details: dict[datetime, tuple[str, ...]] = {}
    by_start: dict[datetime, list[Activity]] = {}
    for row in rows:
        by_start.setdefault(row.starts_at.astimezone(UTC), []).append(row)
    for start, each in by_start.items():
        types = sorted((row for row in each if row.event_type), key=lambda row: -row.sessions)
        lines = [plural(sum(row.events for row in each if not row.event_type), "event")]
        lines += [f"{row.event_type}: {count(row.sessions)}" for row in types[:TYPES_IN_TIP]]
        if len(types) > TYPES_IN_TIP:
            lines.append(f"and {len(types) - TYPES_IN_TIP} more types")
        details[start] = tuple(lines)
    return details


def chart(
    chart_id: str,
    name: str,
    unit: Unit,
    asked: Asked,
    rows: list[Activity],
    before: list[Activity] | None,
    *,
    is_small: bool = False,
    details: dict[datetime, tuple[str, ...]] | None = None,
) -> BarChart:
    """Return a chart of one type's visits over time, with 0 where there were none.

    Args:
        chart_id: its id on the page.
        name: what its title names.
        unit: the unit of time that a bar stands for.
        asked: says the period.
        rows: of the period, oldest first.
        before: of the period before; None for no comparison.
        is_small: whether it is one of many.
        details: further lines of the tooltips, by the start of the bar.
    """
    # By UTC: in the hour when clocks go back, two different hours have the same local time.
    visits = {row.starts_at.astimezone(UTC): row.sessions for row in rows}
    starts = _hours(asked.period, asked) if unit == "hour" else [row.starts_at for row in rows]
    then = None if before is None else _series(before, unit, asked, len(starts))
    named = set() if unit == "hour" else labelled([start.date() for start in starts])
    now = datetime.now(UTC)
    ends = [*starts[1:], day_of(asked.period.last, asked.reports.zone).end][: len(starts)]
    points = [
        Point(
            label(start, unit),
            _hour_tick(start, asked) if unit == "hour" else short_day(start) * (place in named),
            visits.get(start.astimezone(UTC), 0),
            None if then is None else then[place],
            (details or {}).get(start.astimezone(UTC), ()),
            not start <= now < end,
            _narrowed(start, end, unit, asked),
        )
        for place, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    title = f"{name} by {unit}"
    return bar_chart(chart_id, title, MEANS[unit], points, counts=COUNTS[unit], is_small=is_small)


def _series(rows: list[Activity], unit: Unit, asked: Asked, length: int) -> list[int]:
    """Return the visits of the period before, place by place, as many as there are bars."""
    if unit == "hour":
        visits = {row.starts_at.astimezone(UTC): row.sessions for row in rows}
        hours = _hours(asked.period.before(), asked)
        values = [visits.get(start.astimezone(UTC), 0) for start in hours]
    else:
        values = [row.sessions for row in rows]
    return [*values[:length], *[0] * (length - len(values))]


def _narrowed(start: datetime, end: datetime, unit: Unit, asked: Asked) -> dict[str, object] | None:
    """Return the URL parameters for the days of a bar; None if it is an hour."""
    if unit == "hour":
        return None
    last = (end.astimezone(asked.reports.zone) - timedelta(seconds=1)).date()
    return {"from": start.date().isoformat(), "to": last.isoformat()}


def label(start: datetime, unit: Unit) -> str:
    """Return the name of an hour, day or week."""
    if unit == "hour":
        return moment(start)
    return f"week from {day(start)}" if unit == "week" else f"{start:%a} {day(start)}"


def _hour_tick(start: datetime, asked: Asked) -> str:
    """Return the label of an hour: of one day every sixth hour, of more days each midnight."""
    if asked.period.days == 1:
        return f"{start:%H:%M}" if start.hour % 6 == 0 else ""
    return short_day(start) if start.hour == 0 else ""


def _hours(period: Period, asked: Asked) -> list[datetime]:
    zone = asked.reports.zone
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
    (by_type, visitors, visitors_by_day, over_time),
    keeps=("unit",),
    filters=("type",),
    max_days=lambda asked: MAX_DAYS[unit_of(asked)],
    group="At a glance",
)
