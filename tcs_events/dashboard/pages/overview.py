"""The most important findings of the other questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.narrowing import changes_of, clicks_of, searches_of
from tcs_events.dashboard.page import Answers, Page, rows_of
from tcs_events.dashboard.pages import activity as activity_page
from tcs_events.dashboard.pages import dead_ends, exposure, gaps, top
from tcs_events.dashboard.pages.comparison import period_before
from tcs_events.reports import Activity
from tcs_events.reports.activity import ALL_TYPES
from tcs_events.reports.wording import RUNGS

FINDINGS = 5
"""The most rows in each list of findings."""


@dataclass(frozen=True)
class Figure:
    """A number of this period and of the previous one; None where there is none."""

    name: str
    means: str
    now: int | None
    before: int | None
    unit: str = ""
    """What is counted, if the name does not say it."""


def answer(asked: Asked, limit: int) -> Answers:
    """Return the activity of this period and of the previous one, and a few of each finding.

    The previous period is None if the two cannot be compared. Findings whose role no event type
    has are left out.
    """
    reports, period, before = asked.reports, asked.period, period_before(asked)
    unit = activity_page.default_unit(asked)
    few = min(limit, FINDINGS)
    return {
        "unit": unit,
        "first_day": reports.first_day(),
        "before": before,
        "activity": _all_types(reports.activity(period, unit)),
        "activity_before": _all_types(reports.activity(before, unit)) if before else None,
        "visitors": reports.visitors(period).visitors,
        "visitors_before": reports.visitors(before).visitors if before else None,
        "totals": reports.total_activity(period),
        "totals_before": reports.total_activity(before) if before else None,
        **rows_of(gaps.table)(asked, few),
        **(_exposure(asked) if asked.has(*exposure.ROLES) else {}),
        **rows_of(dead_ends.values, dead_ends.combinations, top.items, top.queries)(asked, few),
    }


def _exposure(asked: Asked) -> Answers:
    report = asked.reports.exposure(asked.period, asked.catalogue)
    return {
        "coverage": report.coverage,
        "gini": report.gini,
        "rungs": {
            rung.rung: [row.item_id for row in rung.exposures]
            for rung in exposure.rungs_of(asked, report)
        },
    }


def _all_types(rows: list[Activity]) -> list[Activity]:
    return [row for row in rows if row.event_type == ALL_TYPES]


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the chart of visits, and the figures of both periods."""
    now, before = answer["totals"], answer["totals_before"] or {}
    types = sorted((now.keys() | before.keys()) - {ALL_TYPES})
    return {
        "chart": activity_page.chart(
            "visits",
            activity_page.COUNTS[answer["unit"]],
            answer["unit"],
            asked,
            answer["activity"],
            answer["activity_before"],
        ),
        "figures": [
            Figure(
                "Visitors",
                "different visitors, each of them once",
                answer["visitors"] if now else None,
                answer["visitors_before"] if before else None,
            ),
            _figure("Visits", "a visit is a visitor's day", ALL_TYPES, "sessions", answer),
            _figure("Events", "every event that was stored", ALL_TYPES, "events", answer),
        ],
        "types": [
            _figure(
                event_type,
                "visits with at least one such event",
                event_type,
                "sessions",
                answer,
                unit="visits",
            )
            for event_type in types
        ],
        "ladder": _ladder(answer),
        "clicks_of": clicks_of,
        "searches_of": searches_of,
        "changes_of": changes_of,
        "is_empty": not now,
    }


def _figure(
    name: str, means: str, event_type: str, field: str, answer: Answers, unit: str = ""
) -> Figure:
    now, before = answer["totals"], answer["totals_before"] or {}
    return Figure(
        name,
        means,
        # In a period with events, a type without any has 0. A period without events has no data.
        getattr(now[event_type], field) if event_type in now else 0 if now else None,
        getattr(before[event_type], field) if event_type in before else 0 if before else None,
        unit,
    )


def _ladder(answer: Answers) -> list[tuple[str, str, str, list[str]]] | None:
    if "rungs" not in answer:
        return None
    return [(rung, *RUNGS[rung], ids) for rung, ids in answer["rungs"].items()]


page = Page(
    "overview",
    "Overview",
    "What is going on?",
    "The period at a glance, and what is worth a closer look.",
    answer,
    show,
    group="At a glance",
)
