"""How many visitors come back."""

from __future__ import annotations

from typing import Any, get_args

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.page import RAW_MAX_DAYS, Answer, Page
from tcs_events.dashboard.pages.funnel import read_step
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports import Cohort, retention
from tcs_events.reports.reading import this_registration
from tcs_events.reports.retention import CohortUnit

UNITS: tuple[CohortUnit, ...] = ("week", "day")
MAX_DAYS = {"week": RAW_MAX_DAYS, "day": 31}
SHADES = 8


def unit_of(asked: Asked) -> CohortUnit:
    """Return what cohorts are formed by."""
    unit = asked.choice("unit", UNITS)
    return next(one for one in get_args(CohortUnit) if one == unit)


def _rows(asked: Asked, limit: int) -> list[Cohort]:
    text = asked.text("returning")
    returning = read_step(text) if text else None
    return retention(asked.period, unit_of(asked), returning)[:limit]


table = Table(
    "retention",
    "Cohorts",
    "Sessions by when they came first, and how many of them were there again.",
    (
        Column("starts_on", "Came first", "the day the cohort's day or week begins", "day"),
        Column("size", "Sessions", "sessions that came for the first time in the period", "bar"),
        Column("returned", "There again", "how many were there 0, 1, 2 ... days or weeks later"),
    ),
    _rows,
    keeps=("unit", "returning"),
)


def answer(asked: Asked, limit: int) -> Answer:
    """Return all cohorts: there are no more of them than the page can show."""
    return {"unit": unit_of(asked), "retention": _rows(asked, RAW_MAX_DAYS)}


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Shade the triangle, by the part of the cohort that was there again."""
    cohorts: list[Cohort] = answer["retention"]
    shares = [
        later / cohort.size for cohort in cohorts for later in cohort.returned[1:] if cohort.size
    ]
    darkest = max(shares, default=0) or 1
    return {
        "units": UNITS,
        "returning": asked.text("returning"),
        "event_types": list(this_registration().settings.event_types),
        "columns": max((len(cohort.returned) for cohort in cohorts), default=0),
        "triangle": [
            (
                cohort,
                [
                    (back, back / cohort.size, shade(back / cohort.size / darkest))
                    for back in cohort.returned[1:]
                ],
            )
            for cohort in cohorts
        ],
    }


def shade(part: float) -> int:
    """Return a shade from 0 (none) to `SHADES`."""
    return 0 if part <= 0 else max(1, round(min(part, 1) * SHADES))


page = Page(
    "retention",
    "Retention",
    "Who comes back?",
    "Sessions by when they came first, and how many of them were there again.",
    answer,
    show,
    (table,),
    keeps=("unit", "returning"),
    max_days=lambda asked: MAX_DAYS[unit_of(asked)],
    reads_events=True,
)
