"""How many visitors come back."""

from __future__ import annotations

from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.filters import Kind
from tcs_events.dashboard.page import RAW_MAX_DAYS, Answers, Page
from tcs_events.dashboard.pages.funnel import read_step
from tcs_events.dashboard.pages.paths import event_type_of
from tcs_events.dashboard.table import Table
from tcs_events.errors import UnknownEventType
from tcs_events.reports import Cohort, Step
from tcs_events.reports.names import Rows
from tcs_events.reports.retention import COHORT_COLUMNS, CohortUnit

UNITS: tuple[CohortUnit, ...] = ("week", "day")
MAX_DAYS = {"week": 731, "day": 31}
"""The most days on the page, by unit: the triangle has a column for each unit."""
SHADES = 8
KEEPS = ("unit", "returning")
FILTERS: tuple[Kind, ...] = ("type", "where")


def unit_of(asked: Asked) -> CohortUnit:
    """Return the unit of cohorts that the URL asks for."""
    return asked.choice("unit", UNITS)


def returning_of(asked: Asked) -> Step | None:
    """Return what counts as coming back; None for any event."""
    text = asked.text("returning")
    return read_step(text) if text else None


def reads_events(asked: Asked) -> bool:
    """Return whether the stored events are read: conditions on payloads are not counted ahead."""
    returning = returning_of(asked)
    return bool(asked.filters.where) or (returning is not None and bool(returning.conditions))


def max_days(asked: Asked) -> int:
    """Return the most days that the page can show."""
    days = MAX_DAYS[unit_of(asked)]
    return min(days, RAW_MAX_DAYS) if reads_events(asked) else days


def began_with(asked: Asked) -> str | None:
    """Return the type of the first event of a cohort; None for any."""
    return asked.filters.type_of_conditions or None


def _ask(asked: Asked) -> Rows[Cohort]:
    event_type, where = began_with(asked), asked.filters.where
    unit, returning = unit_of(asked), returning_of(asked)
    try:
        return asked.reports.retention(asked.period, unit, returning, event_type, where)
    except UnknownEventType:
        raise
    except ValueError:
        raise BadParameter(f"“{event_type}” cannot be an event type.") from None


def _rows(asked: Asked, limit: int) -> list[Cohort]:
    return _ask(asked)[:limit]


table = Table(
    "retention",
    "Cohorts",
    "Visitors by their first visit or first event of a type, and how many of them came back.",
    COHORT_COLUMNS,
    _rows,
    keeps=KEEPS,
    filters=FILTERS,
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return all cohorts; `max_days` keeps their number low."""
    cohorts = _ask(asked)
    return {
        "unit": unit_of(asked),
        "retention": cohorts,
        "notices": cohorts.notices,
        "is_estimate": cohorts.sampled is not None,
        "sampled": cohorts.sampled,
    }


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the triangle of cohorts. The more visitors came back, the darker the cell."""
    cohorts: list[Cohort] = answer["retention"]
    shares = [
        later / cohort.size for cohort in cohorts for later in cohort.returned[1:] if cohort.size
    ]
    darkest = max(shares, default=0) or 1
    return {
        "units": UNITS,
        "returning": asked.text("returning"),
        "event_type": began_with(asked) or "",
        "event_types": list(asked.reports.settings.event_types),
        "is_unfinished": any(not all(cohort.is_complete) for cohort in cohorts),
        "columns": max((len(cohort.returned) for cohort in cohorts), default=0),
        "triangle": [
            (
                cohort,
                [
                    (back, back / cohort.size, shade(back / cohort.size / darkest), complete)
                    for back, complete in list(
                        zip(cohort.returned, cohort.is_complete, strict=True)
                    )[1:]
                ],
            )
            for cohort in cohorts
        ],
    }


def shade(part: float) -> int:
    """Return a shade from 0 (nobody came back) to `SHADES`, for a part from 0 to 1."""
    return 0 if part <= 0 else max(1, round(min(part, 1) * SHADES))


page = Page(
    "retention",
    "Retention",
    "Who comes back?",
    "Visitors by their first visit or first event of a type, and how many of them came back.",
    answer,
    show,
    (table,),
    keeps=KEEPS,
    filters=FILTERS,
    event_type=event_type_of,
    max_days=max_days,
    reads_events=reads_events,
)
