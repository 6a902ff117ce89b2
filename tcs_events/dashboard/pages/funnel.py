"""How many go on from one step to the next: in a visit, or over days."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.filters import Kind
from tcs_events.dashboard.funnel_bars import bars_of
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.step_form import MAX_STEPS, break_downs_of, fields_of, typed_steps
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
WITH_FILTERS = (
    "With filters, everybody counts once, and all steps follow within 24 hours. Without filters,"
    " visits are counted."
)
FILTERS: tuple[Kind, ...] = ("where", "who")
"""What a funnel over days follows."""
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


def first_type_of(asked: Asked) -> str:
    """Return the event type of the first step, which the conditions are about.

    Raises:
        BadParameter: a step is invalid.
    """
    return read_step(texts_of(asked)[0]).event_type


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


def time_of(asked: Asked) -> str:
    """Return the time allowed, such as `7d`; "" if visits are counted, which know no filters.

    Raises:
        BadParameter: it is not one.
    """
    is_narrowed = asked.filters.followed_where or asked.filters.who
    return read_within(asked) or ("1d" if is_narrowed else "")


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
            where=asked.filters.followed_where,
            who=asked.filters.who,
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
    return _ask_over_days(asked, time_of(asked) or "7d").steps


def _part_rows(asked: Asked, limit: int) -> list[PartStep]:
    return _ask_over_days(asked, time_of(asked) or "7d").part_rows()[:limit]


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
    filters=FILTERS,
)
broken_down = Table(
    "funnel_broken_down",
    "By the first step",
    "The same by the value that a property had in the first step.",
    PART_COLUMNS,
    _part_rows,
    keeps=KEEPS,
    filters=FILTERS,
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the steps with their visits on the days that are counted so far, or over days."""
    if within := time_of(asked):
        found = _ask_over_days(asked, within)
        rest = {each.name: getattr(found, each.name) for each in fields(found)}
        notices = [*found.notices, *([] if read_within(asked) else [WITH_FILTERS])]
        return {
            over_days.name: rest.pop("steps"),
            broken_down.name: rest.pop("broken_down"),
            **rest,
            "notices": notices,
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


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the bars, and what the form has to choose from."""
    rows: list[FunnelStep | ReachedStep] = (
        answer["funnel"] if "funnel" in answer else answer["funnel_over_days"]
    )
    steps = [read_step(text) for text in texts_of(asked)]
    with asked.reports.events() as connection:
        seen = seen_properties(connection, dict.fromkeys(each.event_type for each in steps))
    chosen, within, bars = read_within(asked), time_of(asked), bars_of(rows)
    per = asked.choice("per", PER)
    step_fields = fields_of(steps, seen, asked.reports.settings.event_types)
    return {
        "fields": step_fields,
        "event_types": list(
            dict.fromkeys([*asked.reports.settings.event_types, *(s.event_type for s in steps)])
        ),
        "chosen": chosen,
        "within": within,
        "within_words": WITHIN if within in WITHIN else {**WITHIN, within: within},
        "per": per,
        "pers": PER,
        "break_down": asked.text("break_down"),
        "break_downs": break_downs_of(
            step_fields[0], asked.reports.settings.event_types, asked.text("break_down")
        ),
        "may_go_on": bool(within) and asked.period.last + within_of(within) >= asked.today,
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
                tuple(saved.steps) == tuple(steps) and (saved.within or "") == chosen,
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
        if (within := time_of(asked))
        else "From one step to the next, within 24 hours."
    ),
    answer,
    show,
    (table, over_days, broken_down),
    keeps=KEEPS,
    filters=FILTERS,
    event_type=first_type_of,
    max_days=lambda asked: MAX_DAYS_READ if time_of(asked) else None,
    reads_events=lambda asked: bool(time_of(asked)),
    typed=typed,
    is_done=is_done,
)
