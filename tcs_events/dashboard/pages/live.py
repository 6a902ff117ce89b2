"""Who is here now."""

from __future__ import annotations

from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.charts import Point, bar_chart
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.table import Table, timeline_of
from tcs_events.reports import Live
from tcs_events.reports.live import LATEST_COLUMNS, REFUSED_COLUMNS

MINUTES = 30
NAMED_EVERY = 10
"""Every how many minutes the axis has a label."""


visitors = Table(
    "latest_visitors",
    "Latest visitors",
    "Those of the 5,000 events that happened last, the latest first.",
    LATEST_COLUMNS,
    lambda asked, limit: asked.reports.latest_visitors(limit, asked.filters.event_type or None),
    filters=("type",),
    leads_to={"session_id": timeline_of},
)
refused = Table(
    "latest_refused",
    "Latest refused events",
    "Events that were answered 422, and why. They are not among the events of any report.",
    REFUSED_COLUMNS,
    lambda asked, limit: asked.reports.latest_refused(limit),
    leads_to={"session_id": timeline_of},
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the last minutes, the latest visitors and the latest refused events."""
    return {
        "live": asked.reports.live(MINUTES, asked.filters.event_type or None),
        "latest_visitors": visitors.rows(asked, limit),
        "latest_refused": refused.rows(asked, limit),
    }


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return a chart of the visitors of each minute."""
    live: Live = answer["live"]
    points = [
        Point(
            f"{minute.starts_at:%H:%M}",
            f"{minute.starts_at:%H:%M}" if minute.starts_at.minute % NAMED_EVERY == 0 else "",
            minute.visitors,
            details=(f"{minute.events} events",),
            is_over=minute is not live.by_minute[-1],
        )
        for minute in live.by_minute
    ]
    return {
        "chart": bar_chart(
            "minutes",
            "Visitors by minute",
            "visitors with at least one event in the minute",
            points,
            counts="Visitors",
            is_small=True,
        ),
        "minutes": len(points),
        "is_cut": len(points) < MINUTES,
        "keeps_refused": asked.reports.settings.keep_rejected > 0,
    }


page = Page(
    "live",
    "Live",
    "Who is here now?",
    "The last half hour, the latest visitors, and what was refused.",
    answer,
    show,
    (visitors, refused),
    filters=("type",),
    has_period=False,
    group="At a glance",
    reads_events=lambda asked: True,
)
