"""How many visitors go on from one step to the next."""

from __future__ import annotations

from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.page import RAW_MAX_DAYS, Answer, Page
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports import FunnelStep, Step, funnel, step
from tcs_events.reports.reading import this_registration

DEFAULT_STEPS = ("sage_query[result_count>0]", "card_click")
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
    except (ValueError, RecursionError):
        raise BadParameter(
            f"“{text}” is no step. Write an event type, and what must be true of its payload:"
            " sage_query[result_count>0]."
        ) from None


def _rows(asked: Asked, limit: int) -> list[FunnelStep]:
    return funnel(asked.period, [read_step(text) for text in texts_of(asked)])


table = Table(
    "funnel",
    "Steps",
    "Sessions, each once a day, that took the steps in this order, with anything in between.",
    (
        Column(
            "step", "Step", "the event, and what is true of it", value=lambda row: str(row.step)
        ),
        Column("sessions", "Sessions", "sessions that got as far, each once a day", "bar"),
        Column("of_previous", "Of the step before", "of the sessions at the step before", "share"),
        Column("of_first", "Of the first", "of the sessions at the first step", "share"),
    ),
    _rows,
    keeps=("step",),
)


def answer(asked: Asked, limit: int) -> Answer:
    """Return the steps and who took them."""
    return {"funnel": _rows(asked, limit)}


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Give the form what stands in it, with room for one step more."""
    rows: list[FunnelStep] = answer["funnel"]
    texts = texts_of(asked)
    return {
        "steps": texts,
        "room": len(texts) < MAX_STEPS,
        "event_types": list(this_registration().settings.event_types),
        "is_empty": not any(row.sessions for row in rows),
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
    "From one step to the next, within a day.",
    answer,
    show,
    (table,),
    keeps=("step",),
    max_days=lambda asked: RAW_MAX_DAYS,
    reads_events=True,
)
