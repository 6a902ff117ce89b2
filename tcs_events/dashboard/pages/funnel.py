"""How many go on from one step to the next: in a visit, or over days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.filters import in_words
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.step_form import MAX_STEPS, fields_of, typed_steps
from tcs_events.dashboard.table import Table
from tcs_events.errors import UnknownEventType
from tcs_events.reports import FunnelStep, ReachedStep, Step, step
from tcs_events.reports.durations import duration
from tcs_events.reports.funnel import FUNNEL_COLUMNS, FunnelSoFar, funnel_so_far
from tcs_events.reports.over_days import (
    OVER_DAYS_COLUMNS,
    PART_COLUMNS,
    FunnelOverDays,
    PartStep,
    Per,
    within_of,
)
from tcs_events.reports.reading import FUNNEL_SECONDS
from tcs_events.reports.seen import seen_properties

MAX_DAYS_READ = 366
"""The most days of a funnel over days, which is read from the events."""
WITHIN = {
    "": "24 hours (counts visits)",
    "1d": "1 day",
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
}
PER: tuple[Per, ...] = ("visitor", "person")
NEEDS_TIME = (
    "Visits are not counted by person, and not broken down. Choose a time, such as 7 days, to see"
    " that."
)
KEEPS = ("step", "within", "per", "break_down")


def texts_of(asked: Asked) -> list[str]:
    """Return the steps in the URL, or the default ones."""
    default = asked.reports.refresher.meaning.default_funnel
    return asked.texts("step", MAX_STEPS) or list(map(str, default))


def read_step(text: str) -> Step:
    """Return a step from its text in the URL.

    Raises:
        BadParameter: the text is not a step.
    """
    try:
        return step(text)
    except ValueError:
        raise BadParameter(
            f"“{text}” is not a step. Write an event type, with conditions on its payload if you"
            " like: event_type[field=value]."
        ) from None


def read_within(asked: Asked) -> str:
    """Return the time allowed, such as `7d`; "" for the same visit.

    Raises:
        BadParameter: it is not one.
    """
    text = asked.text("within", 10)
    if text:
        try:
            within_of(text)
        except ValueError as error:
            raise BadParameter(f"“within”: {error}.") from None
    return text


@dataclass(frozen=True, slots=True)
class CountedStep(FunnelStep):
    """A row of the table. A CSV file has no other place to say how many days are counted."""

    days_counted: int
    days: int


def _ask(asked: Asked) -> FunnelSoFar:
    steps = [read_step(text) for text in texts_of(asked)]
    return funnel_so_far(asked.reports, asked.period, steps, FUNNEL_SECONDS)


def _ask_over_days(asked: Asked, within: str) -> FunnelOverDays:
    steps = [read_step(text) for text in texts_of(asked)]
    try:
        return asked.reports.funnel(
            asked.period,
            steps,
            within,
            asked.choice("per", PER),
            asked.text("break_down") or None,
        )
    except UnknownEventType:
        raise
    except ValueError as error:
        raise BadParameter(f"“break_down”: {error}.") from None


def _rows(asked: Asked, limit: int) -> list[CountedStep]:
    counted = _ask(asked)
    return [
        CountedStep(
            row.step,
            row.sessions,
            row.of_first,
            row.of_previous,
            counted.days_counted,
            counted.days,
        )
        for row in counted.steps
    ]


def _rows_over_days(asked: Asked, limit: int) -> list[ReachedStep]:
    return _ask_over_days(asked, read_within(asked) or "7d").steps


def _part_rows(asked: Asked, limit: int) -> list[PartStep]:
    return _ask_over_days(asked, read_within(asked) or "7d").part_rows()[:limit]


table = Table(
    "funnel",
    "Steps",
    "Visits that took the steps in this order, with anything in between. The first step is in the"
    " period; the others follow within 24 hours. A visit is a visitor's day.",
    FUNNEL_COLUMNS,
    _rows,
    keeps=("step",),
)
over_days = Table(
    "funnel_over_days",
    "Steps",
    "Who took the steps in this order, with anything in between. The first step is in the period;"
    " the others follow within the time allowed. Everybody counts once.",
    OVER_DAYS_COLUMNS,
    _rows_over_days,
    keeps=("step", "within", "per"),
)
broken_down = Table(
    "funnel_broken_down",
    "By the first step",
    "The same by the value that a property had in the first step.",
    PART_COLUMNS,
    _part_rows,
    keeps=KEEPS,
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the steps with their visits on the days that are counted so far, or over days."""
    if within := read_within(asked):
        found = _ask_over_days(asked, within)
        return {
            "funnel_over_days": found.steps,
            "funnel_broken_down": found.broken_down,
            "within": found.within,
            "per": found.per,
            "break_down": found.break_down,
            "notices": found.notices,
        }
    is_more_asked = asked.choice("per", PER) != PER[0] or asked.text("break_down")
    counted = _ask(asked)
    return {
        "funnel": counted.steps,
        "days_counted": counted.days_counted,
        "days": counted.days,
        "notices": [*counted.notices, *([NEEDS_TIME] if is_more_asked else [])],
    }


def is_done(answer: Answers) -> bool:
    """Return whether all days are counted."""
    return "funnel" not in answer or bool(answer["days_counted"] == answer["days"])


def typed(asked: Asked) -> dict[str, object] | None:
    """Return the steps that the form has sent, as parameters."""
    steps = typed_steps(asked.args)
    if steps is None:
        return None
    return {"step": steps, "per": None if asked.text("per") == PER[0] else asked.text("per")}


@dataclass(frozen=True)
class Bar:
    """A step of the chart."""

    row: FunnelStep | ReachedStep
    count: int
    conditions: list[str]
    """The conditions in words."""
    before: float | None
    """The length of the bar of the step before; None at the first step."""
    lost: int | None
    """How many of those at the step before did not go on."""
    time: str
    """How long it took, in words; "" if that is not known."""


def _bars(rows: Sequence[FunnelStep | ReachedStep]) -> list[Bar]:
    bars: list[Bar] = []
    for place, row in enumerate(rows):
        before = rows[place - 1] if place else None
        count = row.sessions if isinstance(row, FunnelStep) else row.count
        bars.append(
            Bar(
                row,
                count,
                list(map(in_words, row.step.conditions)),
                before.of_first if before else None,
                bars[-1].count - count if bars else None,
                _time(row) if isinstance(row, ReachedStep) else "",
            )
        )
    return bars


def _time(row: ReachedStep) -> str:
    """Return `half of them within 2 days 3 hours` and the like."""
    times = (row.first_quartile_seconds, row.median_seconds, row.third_quartile_seconds)
    quarter, half, most = (None if time is None else duration(time) for time in times)
    if half is None:
        return ""
    if quarter == most:
        return f"half of them within {half}"
    return f"half of them within {half} (a quarter within {quarter}, three quarters within {most})"


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the bars, and what the form has to choose from."""
    rows: list[FunnelStep | ReachedStep] = (
        answer["funnel"] if "funnel" in answer else answer["funnel_over_days"]
    )
    steps = [read_step(text) for text in texts_of(asked)]
    with asked.reports.events() as connection:
        seen = seen_properties(connection, dict.fromkeys(each.event_type for each in steps))
    fields = fields_of(steps, seen, asked.reports.settings.event_types)
    within, bars = read_within(asked), _bars(rows)
    per = asked.choice("per", PER)
    return {
        "fields": fields,
        "event_types": list(
            dict.fromkeys([*asked.reports.settings.event_types, *(s.event_type for s in steps)])
        ),
        "within": within,
        "within_words": WITHIN if within in WITHIN else {**WITHIN, within: within},
        "per": per,
        "pers": PER,
        "break_down": asked.text("break_down"),
        "is_done": is_done(answer),
        "is_empty": is_done(answer) and not any(bar.count for bar in bars),
        "bars": bars,
        "saved": [
            (
                saved.name,
                {
                    "step": list(map(str, saved.steps)),
                    "within": saved.within,
                    "per": None if saved.per == PER[0] else saved.per,
                    "break_down": saved.break_down,
                },
                tuple(saved.steps) == tuple(steps) and (saved.within or "") == within,
            )
            for saved in asked.reports.saved_funnels()
        ],
        "parts": answer.get("funnel_broken_down", []),
        "one": per if within else "visit",
    }


page = Page(
    "funnel",
    "Funnel",
    "How many go on?",
    lambda asked: (
        f"From one step to the next, within {duration(within_of(within).total_seconds())}."
        if (within := read_within(asked))
        else "From one step to the next, within 24 hours."
    ),
    answer,
    show,
    (table, over_days, broken_down),
    keeps=KEEPS,
    max_days=lambda asked: MAX_DAYS_READ if read_within(asked) else None,
    reads_events=lambda asked: bool(read_within(asked)),
    typed=typed,
    is_done=is_done,
)
