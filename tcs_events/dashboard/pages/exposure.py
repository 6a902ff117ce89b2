"""How often each expert is shown, and who never is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import lorenz
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.table import Table
from tcs_events.event_types.roles import Click, Impression, Search
from tcs_events.reports import ExpertExposure, Exposure, Rung
from tcs_events.reports.exposure import EXPOSURE_COLUMNS
from tcs_events.reports.wording import RUNGS

RUNG_EXPERTS = 12
"""The most experts that the ladder names on one rung."""


@dataclass(frozen=True)
class RungShown:
    """A rung of the ladder, with the experts who got no further."""

    rung: Rung
    title: str
    means: str
    experts: list[ExpertExposure]


def rungs_of(report: Exposure) -> list[RungShown]:
    """Return the ladder from the lowest rung up, each with the experts who got no further."""
    return [
        RungShown(rung, *RUNGS[rung], [expert for expert in report.experts if expert.rung == rung])
        for rung in Rung
    ]


def rung_of(asked: Asked) -> str:
    """Return the rung whose experts the table lists; "" for all experts."""
    return asked.choice("rung", ["", *map(str, Rung)])


def _rows(asked: Asked, limit: int) -> list[ExpertExposure]:
    rung = rung_of(asked)
    experts = asked.reports.exposure(asked.period, asked.catalogue).experts
    return [expert for expert in experts if rung in ("", expert.rung)][:limit]


table = Table(
    "exposure",
    "All experts, the least exposed first",
    "Counts are visits. A visit that clicked an expert counts as exposed too.",
    EXPOSURE_COLUMNS,
    _rows,
    keeps=("rung",),
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the report with every expert: the ladder needs them all."""
    return {"exposure": asked.reports.exposure(asked.period, asked.catalogue)}


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the ladder, and the curve of how exposure is spread."""
    report: Exposure = answer["exposure"]
    return {
        "rungs": rungs_of(report),
        "rung_experts": RUNG_EXPERTS,
        "table": table,
        "experts": table.of(report.experts),
        "lorenz": lorenz([expert.exposed for expert in report.experts]),
        "exposed": sum(expert.exposed > 0 for expert in report.experts),
        "has_catalogue": asked.catalogue is not None,
        "has_seen": any(expert.seen for expert in report.experts),
        "min_sessions": asked.reports.settings.min_sessions,
    }


page = Page(
    "exposure",
    "Exposure",
    "Who is never seen?",
    "How far each expert gets: returned by a query, among the first, clicked.",
    answer,
    show,
    (table,),
    roles=(
        Search,
        Click,
        Impression,
    ),
)
