"""Counts of visitors, visits and events over time."""

from __future__ import annotations

from dataclasses import fields
from typing import cast

from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.heading import print_answer, print_heading, print_nothing, warn_if_incomplete
from tcs_events.cli.output import (
    bar,
    print_line,
    print_table,
    print_wrapped,
    sparkline,
)
from tcs_events.reports import Activity, Period, Visitors, activity, total_activity, visitors
from tcs_events.reports.activity import ALL_TYPES, TOTAL_COLUMNS, Unit
from tcs_events.reports.visitors import DAY_COLUMNS, TYPE_COLUMNS

UNITS = {"hour": "%Y-%m-%d %H:%M", "day": "%a %Y-%m-%d", "week": "%Y-%m-%d"}
"""The units of time, and the format of their start."""

_TYPE = Printed(TOTAL_COLUMNS, "event_type", "events", "visits")
_VISITORS = Printed(TYPE_COLUMNS, "event_type", "visitors", "new", "returning", "visits", "events")
_DAY = Printed(DAY_COLUMNS, "day", "visitors", "new", "returning", "events")


@command("stats")
@options.unit(*UNITS, default="day")
@options.one_type("Only events of this type.")
@options.of_period
@options.as_json
def stats(period: Period, unit: str, event_type: str | None, as_json: bool) -> None:
    """Count events and visits over time and by event type.

    A visit is a visitor's day. By hour, the visitors of each hour are counted. JSON has "activity"
    and "total"; the event type "" stands for all types.
    """
    if event_type is not None:
        options.check_types([event_type])
    rows = activity(period, cast(Unit, unit))
    total = total_activity(period)
    warn_if_incomplete()
    if event_type is not None:
        rows = [row for row in rows if row.event_type == event_type]
        total = {name: row for name, row in total.items() if name == event_type}
    if as_json:
        print_answer({"activity": rows, "total": [total[name] for name in sorted(total)]}, period)
    elif not total:
        print_nothing(period, "events")
    else:
        print_heading(period)
        shown = event_type or ALL_TYPES
        _print_times(unit, [row for row in rows if row.event_type == shown], total[shown])
        print_line()
        _print_types(rows, total)


def _print_times(unit: str, rows: list[Activity], total: Activity) -> None:
    most = max((row.events for row in rows), default=0)
    times = [
        (f"{row.starts_at:{UNITS[unit]}}", row.events, row.sessions, bar(row.events, most))
        for row in rows
    ]
    # A visitor may come in several hours of a day, so visitors by hour do not add up to visits.
    visits = "visitors" if unit == "hour" else "visits"
    sums = ("total", total.events, None if unit == "hour" else total.sessions, "")
    print_table((unit, "events", visits, ""), [*times, sums])


def _print_types(rows: list[Activity], total: dict[str, Activity]) -> None:
    print_table(
        (*_TYPE.titles, ""),
        [
            (
                *_TYPE.cells(sums),
                sparkline([row.events for row in rows if row.event_type == name]),
            )
            for name, sums in sorted(total.items(), key=lambda item: -item[1].events)
            if name != ALL_TYPES
        ],
    )


@command("visitors")
@options.one_type("Only visitors who sent this type.")
@options.of_period
@options.as_json
def count_visitors(period: Period, event_type: str | None, as_json: bool) -> None:
    """Count visitors, new and returning, by day and by event type.

    Each visitor of the period counts once. A visitor is new if the first stored event, of any type,
    is in the period. In the rows by day, a visitor is new on the day of the first event.
    """
    if event_type is not None:
        options.check_types([event_type])
    answer = visitors(period, event_type)
    warn_if_incomplete()
    if as_json:
        values = {field.name: getattr(answer, field.name) for field in fields(answer)}
        print_answer(values, period)
    elif not answer.visitors:
        print_nothing(period, "visitors")
    else:
        print_heading(period)
        _print_visitors(answer)


def _print_visitors(answer: Visitors) -> None:
    print_wrapped(
        f"Visitors: {answer.visitors:,} ({answer.new:,} new, {answer.returning:,} returning)."
        f" Visits: {answer.visits:,}. Events: {answer.events:,}. A visit is a visitor's day."
    )
    print_line()
    most = max(day.visitors for day in answer.by_day)
    keep = _DAY.titles_of("visitors")
    print_table(
        (*_DAY.titles, ""),
        [(*_DAY.cells(day), bar(day.visitors, most)) for day in answer.by_day],
        keep=keep,
    )
    print_line()
    print_table(_VISITORS.titles, map(_VISITORS.cells, answer.by_type), keep=keep)
