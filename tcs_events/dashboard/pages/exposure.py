"""How often each item is shown, and which never are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import lorenz
from tcs_events.dashboard.narrowing import clicks_of
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.pages.comparison import period_before
from tcs_events.dashboard.table import Table
from tcs_events.event_types.marketplace import says_what_was_returned
from tcs_events.event_types.roles import Click, Impression, Search
from tcs_events.reports import ExpertExposure, Exposure, Rung
from tcs_events.reports.exposure import EXPOSURE_COLUMNS
from tcs_events.reports.rungs import OF_RETURNED
from tcs_events.reports.wording import RUNGS

ROLES = (Search, Click, Impression)
RUNG_ITEMS = 12
"""The most items that the ladder names on one rung."""


@dataclass(frozen=True)
class RungShown:
    """A rung of the ladder, with the items that got no further."""

    rung: Rung
    title: str
    means: str
    exposures: list[ExpertExposure]


def rungs_of(asked: Asked, report: Exposure) -> list[RungShown]:
    """Return the ladder from the lowest rung up, each with the items that got no further.

    Rungs of which the host's events say nothing are left out.
    """
    is_known = says_what_was_returned(asked.reports.settings.event_types)
    rungs = [
        RungShown(rung, *RUNGS[rung], [item for item in report.items if item.rung == rung])
        for rung in Rung
    ]
    return [each for each in rungs if is_known or each.exposures or each.rung not in OF_RETURNED]


def rung_of(asked: Asked) -> str:
    """Return the rung whose items the table lists; "" for all items."""
    return asked.choice("rung", ["", *map(str, Rung)])


def _rows(asked: Asked, limit: int) -> list[ExpertExposure]:
    rung = rung_of(asked)
    items = asked.reports.exposure(asked.period, asked.catalogue).items
    return [item for item in items if rung in ("", item.rung)][:limit]


table = Table(
    "exposure",
    "All {items}, the least exposed first",
    "Counts are visits. A visit with a click counts as exposed too.",
    EXPOSURE_COLUMNS,
    _rows,
    keeps=("rung",),
    leads_to={"item_id": lambda row, asked: clicks_of(row.item_id, asked) if row.clicked else None},
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the report with every item: the ladder needs them all."""
    return {"exposure": asked.reports.exposure(asked.period, asked.catalogue)}


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the ladder, and the curve of how exposure is spread."""
    report: Exposure = answer["exposure"]
    before = period_before(asked)
    earlier = asked.reports.exposure(before, asked.catalogue) if before else None
    curve = lorenz([item.exposed for item in earlier.items]) if earlier else None
    return {
        "before": before,
        "coverage_before": earlier.coverage if earlier and curve else None,
        "lower_half_before": curve.lower_half if curve else None,
        # Without events, every item of the catalogue would look as if nobody wanted it.
        "is_empty": not asked.reports.total_activity(asked.period),
        "rungs": rungs_of(asked, report),
        "rung_items": RUNG_ITEMS,
        "table": table,
        "exposures": table.worded(asked.words).of(report.items),
        "lorenz": lorenz([item.exposed for item in report.items]),
        "exposed": sum(item.exposed > 0 for item in report.items),
        "has_catalogue": asked.catalogue is not None,
        "has_seen": any(item.seen for item in report.items),
        "min_sessions": asked.reports.settings.min_sessions,
    }


page = Page(
    "exposure",
    "Exposure",
    "Which {items} are never seen?",
    "How far each {item} gets: returned by a query, among the first, clicked.",
    answer,
    show,
    (table,),
    roles=ROLES,
    group="What they look for",
)
