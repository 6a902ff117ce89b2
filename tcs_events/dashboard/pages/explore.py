"""How much there was of an event type, by a property of its events."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta
from typing import Any

from tcs_events.counts.conditions import Condition
from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.charts import BarChart, Point, bar_chart, labelled
from tcs_events.dashboard.filters import MAX_WHERE
from tcs_events.dashboard.formats import day, short_day
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.parameters import PARAMETER_MAX_LENGTH
from tcs_events.dashboard.table import Table
from tcs_events.errors import UnknownEventType
from tcs_events.reports import Explored, ExploreRow, Property, Step
from tcs_events.reports.activity import ALL_TYPES
from tcs_events.reports.explore import EXPLORE_COLUMNS, measures_of
from tcs_events.reports.explore.question import MAX_LIMIT, MAX_SERIES, Interval
from tcs_events.reports.types import known_types

ROWS = 20
CHARTS = 6
"""How many rows have a chart of their own."""
MAX_DAYS_OF_DAYS = 400
"""The most days with a bar for each: a chart with more could not be read."""
DAYS_BY_DAY = 92
"""The most days that have a bar for each if the URL does not say."""
ID_VALUES = 50
"""A property with more different values is not chosen by itself: most values are rare."""
OPEN_POINTS = 14
"""The most days or weeks of the table of all charts that are shown unfolded."""
FUNNEL_WITHIN = "30d"
"""The time allowed in a funnel that begins with the events of the page."""
INTERVALS: tuple[Interval, ...] = ("day", "week")


def event_type_of(asked: Asked) -> str:
    """Return the event type that the URL asks for, or the one with the most events."""
    if event_type := asked.filters.type_of_conditions:
        return event_type
    totals = asked.reports.total_activity(asked.period)
    stored = [row for name, row in totals.items() if name != ALL_TYPES]
    if stored:
        return min(stored, key=lambda row: (-row.events, row.event_type)).event_type
    return next(iter(asked.reports.settings.event_types))


def interval_of(asked: Asked) -> Interval:
    """Return the interval that the URL asks for, else days for a short period, and weeks."""
    text = asked.choice("interval", ("", *INTERVALS))
    if text == "":
        return "day" if asked.period.days <= DAYS_BY_DAY else "week"
    return "day" if text == "day" else "week"


def by_of(asked: Asked, properties: list[Property]) -> str | None:
    """Return the property that the URL asks for, or one with a few texts; None without any."""
    if text := asked.text("by"):
        return text
    few = [one for one in properties if 1 < one.different <= ID_VALUES]
    names = [one for one in few if not one.is_number and isinstance(one.values[0], str)]
    return next((one.name for one in [*names, *few, *properties]), None)


def ask(asked: Asked, limit: int, interval: Interval | None) -> tuple[Explored, list[Property]]:
    """Return the answer, and the properties that can be chosen.

    Raises:
        BadParameter: the property or the measure is none.
        UnknownEventType: there is no such event type.
    """
    event_type = event_type_of(asked)
    try:
        properties = asked.reports.properties(asked.period, event_type)
        answer = asked.reports.explore(
            asked.period,
            event_type,
            by_of(asked, properties),
            asked.filters.where,
            asked.filters.who,
            asked.text("measure") or "visitors",
            interval,
            limit,
        )
    except UnknownEventType:
        raise
    except ValueError as error:
        raise BadParameter(f"This cannot be asked: {error}.") from None
    return answer, properties


table = Table(
    "explore",
    "Values",
    "The values of the property in the events of the type. A visitor may have several of them.",
    EXPLORE_COLUMNS,
    lambda asked, limit: ask(asked, min(limit, MAX_LIMIT), None)[0].rows,
    keeps=("by", "measure"),
    filters=("type", "where", "who"),
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the fields of the answer, its rows as `explore`, and the properties of the type."""
    explored, properties = ask(asked, min(limit, MAX_SERIES), interval_of(asked))
    rest = {each.name: getattr(explored, each.name) for each in fields(explored)}
    return {table.name: rest.pop("rows"), **rest, "properties": properties}


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the charts, the choices of the form, and where each row leads."""
    rows: list[ExploreRow] = answer[table.name]
    total: ExploreRow = answer["total"]
    every = [*rows, *([answer["other"]] if answer["other"] else []), total]
    is_drawn = all((number or 0) >= 0 for row in every for number in row.series)
    names = [one.name for one in answer["properties"]]
    measures = measures_of(answer["properties"])
    return {
        "types": known_types(asked.reports),
        "names": names if answer["by"] in (None, *names) else [answer["by"], *names],
        "measures": measures if answer["measure"] in measures else [answer["measure"], *measures],
        "intervals": INTERVALS,
        "every": [(row, _narrowed(row, asked, answer)) for row in every],
        "widest": max((row.number or 0 for row in rows), default=0) or 1,
        "is_share": any(row.share is not None for row in every),
        "open_points": OPEN_POINTS,
        "funnel": _funnel(asked, answer),
        "chart": _chart("total", "All values", total, asked, answer) if is_drawn else None,
        "multiples": [
            _chart(f"row-{place}", row.name, row, asked, answer, is_small=True)
            for place, row in enumerate(rows[:CHARTS])
            if is_drawn and len(rows) > 1
        ],
    }


def _narrowed(row: ExploreRow, asked: Asked, answer: Answers) -> dict[str, object] | None:
    """Return the URL parameters that narrow the page down to a value; None if nothing does."""
    if row.kind != "value" or answer["by"] is None:
        return None
    try:
        text = str(Condition(answer["by"], "=", row.value))
    except ValueError:  # such as NaN, which is not JSON, but a database may have it
        return None
    where = list(map(str, asked.filters.where))
    if text in where or len(where) >= MAX_WHERE or len(text) > PARAMETER_MAX_LENGTH:
        return None
    return {"type": answer["event_type"], "by": answer["by"], "where": [*where, text]}


def _funnel(asked: Asked, answer: Answers) -> dict[str, object] | None:
    """Return the URL parameters of a funnel whose first step is what the page counts.

    None if no address can say it.
    """
    try:
        step = str(Step(answer["event_type"], asked.filters.where))
    except ValueError:  # an event type with brackets
        return None
    if len(step) > PARAMETER_MAX_LENGTH:
        return None
    steps = {"step": step, "within": FUNNEL_WITHIN, "break_down": answer["by"]}
    return {**steps, "type": None, "where": None}  # the step has them


def _in_chart(number: float | None) -> float:
    rounded = round(number or 0, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def _chart(
    chart_id: str,
    title: str,
    row: ExploreRow,
    asked: Asked,
    answer: Answers,
    *,
    is_small: bool = False,
) -> BarChart:
    starts: list[date] = answer["starts_on"]
    interval, measure, today = answer["interval"], answer["measure"], asked.today
    ends = [*starts[1:], asked.period.last + timedelta(days=1)]
    named = labelled(starts)
    points = [
        Point(
            f"week from {day(start)}" if interval == "week" else f"{start:%a} {day(start)}",
            short_day(start) if place in named else "",
            _in_chart(row.series[place]),
            is_over=not start <= today < end,
            args={
                "type": answer["event_type"],
                "by": answer["by"],
                "from": f"{start}",
                "to": f"{end - timedelta(days=1)}",
            },
        )
        for place, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    means = f"{measure} by {interval}" + (", estimated" if answer["is_estimate"] else "")
    return bar_chart(f"explore-{chart_id}", title, means, points, counts=measure, is_small=is_small)


def _reads_events_alone(asked: Asked) -> bool:
    """Return whether nothing is read from the counts, unless the answer has a `counted_at`.

    They say who is new, and which files hold.
    """
    return asked.filters.who in (None, "known") and asked.reports.settings.day_files is None


page = Page(
    "explore",
    "Explore",
    "How many of each?",
    "The events of one type, split by one of their properties.",
    answer,
    show,
    (table,),
    keeps=("by", "measure", "interval"),
    filters=("type", "where", "who"),
    event_type=event_type_of,
    max_days=lambda asked: MAX_DAYS_OF_DAYS if interval_of(asked) == "day" else None,
    rows=ROWS - 1,  # a page asks for one more than it has rows, and this one shows them all
    reads_events=_reads_events_alone,
    group="At a glance",
)
