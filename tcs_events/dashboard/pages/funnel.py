"""How many visitors go on from one step to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tcs_events.counts.funnels import DEFAULT_FUNNEL
from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.page import Answer, Page
from tcs_events.dashboard.tables import Table
from tcs_events.errors import UnknownEventType
from tcs_events.reports import FunnelStep, Step, step
from tcs_events.reports.funnel import FUNNEL_COLUMNS, FunnelSoFar, funnel_so_far
from tcs_events.reports.reading import FUNNEL_SECONDS

DEFAULT_STEPS = tuple(map(str, DEFAULT_FUNNEL))
MAX_STEPS = 8


def texts_of(asked: Asked) -> list[str]:
    """Return the steps as they stand in the URL."""
    return asked.texts("step", MAX_STEPS) or list(DEFAULT_STEPS)


def read_step(text: str) -> Step:
    """Read a step of the URL.

    Raises:
        BadParameter: it is none.
    """
    try:
        return step(text)
    except ValueError:
        raise BadParameter(
            f"“{text}” is not a step. Write an event type, and what must be true of its payload:"
            " sage_query[result_count>0]."
        ) from None


@dataclass(frozen=True, slots=True)
class CountedStep(FunnelStep):
    """A row of the table, which says by itself whether all days are counted."""

    days_counted: int
    days: int


@contextmanager
def names_in_words() -> Iterator[None]:
    """Say that a type is misspelt as other wrong addresses are answered.

    Raises:
        BadParameter: it is.
    """
    try:
        yield
    except UnknownEventType as error:
        raise BadParameter(str(error)) from None


def _ask(asked: Asked) -> FunnelSoFar:
    steps = [read_step(text) for text in texts_of(asked)]
    with names_in_words():
        return funnel_so_far(asked.reports, asked.period, steps, FUNNEL_SECONDS)


def _rows(asked: Asked, limit: int) -> list[CountedStep]:
    found = _ask(asked)
    return [
        CountedStep(
            row.step,
            row.sessions,
            row.of_first,
            row.of_previous,
            found.days_counted,
            found.days,
        )
        for row in found.steps
    ]


table = Table(
    "funnel",
    "Steps",
    "Visits that took the steps in this order, with anything in between. The first step is in the"
    " period, the others follow within 24 hours. A visit is a session on a day.",
    FUNNEL_COLUMNS,
    _rows,
    keeps=("step",),
)


def answer(asked: Asked, limit: int) -> Answer:
    """Return the steps and who took them, on the days that are counted so far."""
    found = _ask(asked)
    return {
        "funnel": found.steps,
        "days_counted": found.days_counted,
        "days": found.days,
        "notices": found.notices,
    }


def is_done(answer: Answer) -> bool:
    """Return whether all days are counted."""
    return bool(answer["days_counted"] == answer["days"])


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Give the form what stands in it, with room for one step more."""
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
