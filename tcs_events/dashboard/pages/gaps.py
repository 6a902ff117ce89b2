"""What visitors wanted and did not get."""

from __future__ import annotations

from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.page import Answer, Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports.wording import AS_TYPED, ASKED_AGAIN, HIDDEN, NO_CLICK, NOT_AVAILABLE

table = Table(
    "gaps",
    "Queries without an answer",
    "Counts are visits. The reasons may overlap: one visit may be shown nothing at first, and"
    " something later.",
    (
        Column("query", "Query", "lower case, single spaces"),
        Column("visits", "Visits", "visits that asked it", "count", value=lambda row: row.sessions),
        Column("not_available", NOT_AVAILABLE, "shown nothing: we do not have it", "bar"),
        Column(
            "hidden_by_filter",
            HIDDEN,
            "shown nothing because of filters: without them, there were results",
            "bar",
        ),
        Column(
            "no_click",
            NO_CLICK,
            "shown something, and clicked nothing within five minutes",
            "count",
        ),
        Column("reformulated", ASKED_AGAIN, "asked something else within 60 seconds", "count"),
        Column(
            "no_result",
            "Nothing shown",
            "not available and hidden by filters together",
            "count",
            is_extra=True,
        ),
        Column("sample", AS_TYPED, "one of the texts as they were typed", is_extra=True),
    ),
    lambda asked, limit, offset=0: asked.reports.unmet_demand(asked.period, limit, offset=offset),
    can_skip=True,
)


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Say below how many visits a query is not listed."""
    return {"min_sessions": asked.reports.settings.min_sessions}


page = Page(
    "gaps",
    "Unmet demand",
    "What was wanted and not found?",
    "Queries that led nowhere. What we do not have comes first.",
    rows_of(table),
    show,
    (table,),
)
