"""Queries that visitors asked and got no answer to."""

from __future__ import annotations

from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.narrowing import searches_of
from tcs_events.dashboard.page import Answers, Page, rows_of
from tcs_events.dashboard.table import Table, ranked
from tcs_events.event_types.roles import Search
from tcs_events.reports import Reports
from tcs_events.reports.gaps import GAP_COLUMNS

table = Table(
    "gaps",
    "Queries without an answer",
    "Counts are visits. One visit may count in several columns: it may be shown nothing at first,"
    " and something later. Choose a query to explore all its searches.",
    GAP_COLUMNS,
    ranked(Reports.unmet_demand),
    can_skip=True,
    roles=(Search,),
    leads_to={"query": lambda row, asked: searches_of(row.query, asked)},
)


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the number of visits from which on a query is listed."""
    return {"min_sessions": asked.reports.settings.min_sessions}


page = Page(
    "gaps",
    "Unmet demand",
    "What was wanted and not found?",
    "Queries that led nowhere. Those with no results at all come first.",
    rows_of(table),
    show,
    (table,),
    roles=(Search,),
    group="What they look for",
)
