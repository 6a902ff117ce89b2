"""Queries that visitors asked and got no answer to."""

from __future__ import annotations

from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.page import Answer, Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports import unmet_demand
from tcs_events.reports.reading import this_registration
from tcs_events.reports.wording import AS_TYPED, ASKED_AGAIN, HIDDEN, NO_CLICK, NOT_AVAILABLE

table = Table(
    "gaps",
    "Queries without an answer",
    "Counts are visits. One visit may count in several columns: it may be shown nothing at first,"
    " and something later.",
    (
        Column("query", "Query", "the query in lower case, with single spaces"),
        Column("visits", "Visits", "visits that asked it", "count", value=lambda row: row.sessions),
        Column("not_available", NOT_AVAILABLE, "shown nothing, and not because of filters", "bar"),
        Column(
            "hidden_by_filter",
            HIDDEN,
            "shown nothing because of filters; without them there were results",
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
        Column("sample", AS_TYPED, "the query as one visitor typed it", is_extra=True),
    ),
    lambda asked, limit, offset=0: unmet_demand(asked.period, limit, offset=offset),
    can_skip=True,
)


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Return the number of visits from which on a query is listed."""
    return {"min_sessions": this_registration().settings.min_sessions}


page = Page(
    "gaps",
    "Unmet demand",
    "What was wanted and not found?",
    "Queries that led nowhere. Those with no results at all come first.",
    rows_of(table),
    show,
    (table,),
)
