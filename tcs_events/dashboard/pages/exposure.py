"""Who is before visitors, and who is never seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import lorenz
from tcs_events.dashboard.page import Answer, Page
from tcs_events.dashboard.tables import Table
from tcs_events.reports import ExpertExposure, Exposure, Rung
from tcs_events.reports.exposure import EXPOSURE_COLUMNS
from tcs_events.reports.wording import RUNGS

RUNG_EXPERTS = 12
"""How many experts a rung of the ladder names."""


@dataclass(frozen=True)
class RungShown:
    """A rung of the ladder with the experts on it."""

    rung: Rung
    title: str
    means: str
    experts: list[ExpertExposure]


def rungs_of(found: Exposure) -> list[RungShown]:
    """Return the ladder from its foot, each rung with the experts who get no further."""
    return [
        RungShown(rung, *RUNGS[rung], [one for one in found.experts if one.rung == rung])
        for rung in Rung
    ]


def rung_of(asked: Asked) -> str:
    """Return the rung that a table is narrowed to; "" for all experts."""
    return asked.choice("rung", ["", *Rung])


def _rows(asked: Asked, limit: int) -> list[ExpertExposure]:
    rung = rung_of(asked)
    found = asked.reports.exposure(asked.period, asked.catalogue).experts
    return [one for one in found if rung in ("", one.rung)][:limit]


table = Table(
    "exposure",
    "Everyone, the least exposed first",
    "Counts are visits. Whoever clicks an expert was shown them.",
    EXPOSURE_COLUMNS,
    _rows,
    keeps=("rung",),
)


def answer(asked: Asked, limit: int) -> Answer:
    """Return the report: every expert, for the ladder names them."""
    return {"exposure": asked.reports.exposure(asked.period, asked.catalogue)}


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Draw the ladder and the spread."""
    found: Exposure = answer["exposure"]
    return {
        "rungs": rungs_of(found),
        "rung_experts": RUNG_EXPERTS,
        "table": table,
        "experts": table.of(found.experts),
        "lorenz": lorenz([one.exposed for one in found.experts]),
        "exposed": sum(one.exposed > 0 for one in found.experts),
        "has_catalogue": asked.catalogue is not None,
        "has_seen": any(one.seen for one in found.experts),
        "min_sessions": asked.reports.settings.min_sessions,
    }


page = Page(
    "exposure",
    "Exposure",
    "Who is never seen?",
    "How far each expert gets with visitors, and where they are held up.",
    answer,
    show,
    (table,),
)
