"""How many visits go on from one step to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.table import Table
from tcs_events.reports import FunnelStep, Step, step
from tcs_events.reports.funnel import FUNNEL_COLUMNS, FunnelSoFar, funnel_so_far
from tcs_events.reports.reading import FUNNEL_SECONDS

MAX_STEPS = 8


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


@dataclass(frozen=True, slots=True)
class CountedStep(FunnelStep):
    """A row of the table. A CSV file has no other place to say how many days are counted."""

    days_counted: int
    days: int


def _ask(asked: Asked) -> FunnelSoFar:
    steps = [read_step(text) for text in texts_of(asked)]
    return funnel_so_far(asked.reports, asked.period, steps, FUNNEL_SECONDS)


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


table = Table(
    "funnel",
    "Steps",
    "Visits that took the steps in this order, with anything in between. The first step is in the"
    " period; the others follow within 24 hours. A visit is a visitor's day.",
    FUNNEL_COLUMNS,
    _rows,
    keeps=("step",),
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the steps with their visits, on the days that are counted so far."""
    counted = _ask(asked)
    return {
        "funnel": counted.steps,
        "days_counted": counted.days_counted,
        "days": counted.days,
        "notices": counted.notices,
    }


def is_done(answer: Answers) -> bool:
    """Return whether all days are counted."""
    return bool(answer["days_counted"] == answer["days"])


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the bars, and the steps for the form."""
    rows: list[FunnelStep] = answer["funnel"]
    texts = texts_of(asked)
    return {
        "steps": texts,
        "room": len(texts) < MAX_STEPS,
        "event_types": list(asked.reports.settings.event_types),
        "is_done": is_done(answer),
        "is_empty": is_done(answer) and not any(row.sessions for row in rows),
        "bars": [
            {
                "row": row,
                "text": text,
                "lost": rows[place - 1].sessions - row.sessions if place else None,
            }
            for place, (row, text) in enumerate(zip(rows, texts, strict=True))
        ],
    }


page = Page(
    "funnel",
    "Funnel",
    "How many go on?",
    "From one step to the next, within 24 hours.",
    answer,
    show,
    (table,),
    keeps=("step",),
    is_done=is_done,
)
