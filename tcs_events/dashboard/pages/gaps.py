"""What visitors wanted and did not get."""

from __future__ import annotations

from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.page import Answer, Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports import unmet_demand
from tcs_events.reports.reading import this_registration

table = Table(
    "gaps",
    "Queries without an answer",
    "In sessions, each once a day. The reasons may overlap: a session may be shown nothing first,"
    " and something later.",
    (
        Column("query", "Query", "lower case, single spaces"),
        Column("sessions", "Asked by", "sessions that asked it", "count"),
        Column("not_available", "Not there", "shown nothing: we do not have it", "bar"),
        Column(
            "hidden_by_filter",
            "Hidden",
            "shown nothing because of their filters: without any, it had results",
            "bar",
        ),
        Column(
            "no_click",
            "No click",
            "shown something, and clicked nothing within five minutes",
            "count",
        ),
        Column("reformulated", "Asked again", "asked something else within 60 seconds", "count"),
        Column(
            "no_result", "Nothing shown", "not there and hidden together", "count", is_extra=True
        ),
        Column("sample", "As typed", "one of the texts as they were typed", is_extra=True),
    ),
    lambda asked, limit, offset=0: unmet_demand(asked.period, limit, offset=offset),
    can_skip=True,
)


def show(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Say below how many sessions a query is not listed."""
    return {"min_sessions": this_registration().settings.min_sessions}


page = Page(
    "gaps",
    "Unmet demand",
    "What was wanted and not found?",
    "Questions that led nowhere: what we do not have comes first.",
    rows_of(table),
    show,
    (table,),
)
