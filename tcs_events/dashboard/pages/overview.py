"""The most important findings of the other questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import Point, bar_chart
from tcs_events.dashboard.page import Answer, Page
from tcs_events.dashboard.pages import activity as activity_page
from tcs_events.dashboard.pages import dead_ends, gaps, top
from tcs_events.dashboard.pages.exposure import rungs_of
from tcs_events.reports import Activity
from tcs_events.reports.activity import ALL_TYPES, Unit
from tcs_events.reports.wording import RUNGS

FINDINGS = 5
"""How many of each the page names."""
DAYS_BY_DAY = 120
"""A longer period is drawn by weeks."""


@dataclass(frozen=True)
class Figure:
    """A number of the period beside that of the period before; None where there is no such."""

    name: str
    means: str
    now: int | None
    before: int | None
    unit: str = ""
    """What is counted, where the name does not say it."""


def unit_for(asked: Asked) -> Unit:
    """Return what the chart is drawn by."""
    return "day" if asked.period.days <= DAYS_BY_DAY else "week"


def answer(asked: Asked, limit: int) -> Answer:
    """Return the activity of the period and of the one before, and a few of each finding.

    Of the one before there is none (None) where it begins before the first event: nobody was
    counting yet, and less than now would be no growth.
    """
    reports, period, before = asked.reports, asked.period, asked.period.before()
    first = reports.first_day()
    has_before = first is not None and first <= before.first
    found = reports.exposure(period, asked.catalogue)
    unit = unit_for(asked)
    few = min(limit, FINDINGS)
    return {
        "unit": unit,
        "first_day": first,
        "before": before if has_before else None,
        "activity": _all_types(reports.activity(period, unit)),
        "activity_before": _all_types(reports.activity(before, unit)) if has_before else None,
        "totals": reports.total_activity(period),
        "totals_before": reports.total_activity(before) if has_before else None,
        "gaps": gaps.table.rows(asked, few),
        "coverage": found.coverage,
        "gini": found.gini,
        "rungs": {of.rung: [one.expert_id for one in of.experts] for of in rungs_of(found)},
        "dead_end_values": dead_ends.values.rows(asked, few),
        "dead_end_combinations": dead_ends.combinations.rows(asked, few),
        "experts": top.experts.rows(asked, few),
        "queries": top.queries.rows(asked, few),
    }


def _all_types(rows: list[Activity]) -> list[Activity]:
    return [row for row in rows if row.event_type == ALL_TYPES]


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Draw the visits over the period, and set the figures side by side."""
    now, before = answer["totals"], answer["totals_before"] or {}
    then = answer["activity_before"] or []
    points = [
        Point(
            *activity_page.label(row.starts_at, answer["unit"], asked),
            row.sessions,
            then[place].sessions if place < len(then) else None,
        )
        for place, row in enumerate(answer["activity"])
    ]
    types = sorted((now.keys() | before.keys()) - {ALL_TYPES})
    return {
        "chart": bar_chart(
            "visits",
            f"Visits by {answer['unit']}",
            activity_page.MEANS[answer["unit"]],
            points,
        ),
        "figures": [
            _figure("Visits", "a visit is a visitor's day", ALL_TYPES, "sessions", answer),
            _figure("Events", "everything that was sent", ALL_TYPES, "events", answer),
        ],
        "types": [
            _figure(
                of_type,
                "visits with at least one of them",
                of_type,
                "sessions",
                answer,
                unit="visits",
            )
            for of_type in types
        ],
        "ladder": _ladder(answer),
        "is_empty": not now,
    }


def _figure(
    name: str, means: str, of_type: str, field: str, answer: Answer, unit: str = ""
) -> Figure:
    now, before = answer["totals"], answer["totals_before"] or {}
    return Figure(
        name,
        means,
        # Where anything was sent at all, no event of a type is 0 of them.
        getattr(now[of_type], field) if of_type in now else 0 if now else None,
        getattr(before[of_type], field) if of_type in before else 0 if before else None,
        unit,
    )


def _ladder(answer: Answer) -> list[tuple[str, str, str, list[str]]]:
    return [(rung, *RUNGS[rung], experts) for rung, experts in answer["rungs"].items()]


page = Page(
    "overview",
    "Overview",
    "What is going on?",
    "The period at a glance, and what is worth a closer look.",
    answer,
    show,
)
