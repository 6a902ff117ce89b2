"""The experts, queries and filters that are used most."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports import top_experts, top_filters, top_queries
from tcs_events.reports.wording import AS_TYPED, SET_TO

experts = Table(
    "experts",
    "Experts",
    "Experts whose card was clicked, and where it was. One visit may click in several places.",
    (
        Column("expert_id", "Expert", "the expert's id in events"),
        Column("visits", "Visits", "visits with a click", "bar", value=lambda row: row.sessions),
        Column("clicks", "Clicks", "every click", "count"),
        Column("by_context", "Where", "visits by the place of the card", "contexts"),
    ),
    lambda asked, limit, offset=0: top_experts(asked.period, limit, offset),
    can_skip=True,
)
queries = Table(
    "queries",
    "Queries",
    "What visitors asked. Upper and lower case, and spaces, make no difference.",
    (
        Column("query", "Query", "the query in lower case, with single spaces"),
        Column("visits", "Visits", "visits that asked it", "bar", value=lambda row: row.sessions),
        Column("asks", "Asks", "every time it was asked", "count"),
        Column("sample", AS_TYPED, "the query as one visitor typed it"),
    ),
    lambda asked, limit, offset=0: top_queries(asked.period, limit, offset),
    can_skip=True,
)
filters = Table(
    "filters",
    "Filters",
    "The filters that visitors set.",
    (
        Column("filter", "Filter", "which filter was set"),
        Column("value", SET_TO, "the value it was set to"),
        Column("visits", "Visits", "visits that set it", "bar", value=lambda row: row.sessions),
        Column("uses", "Uses", "every time it was set", "count"),
    ),
    lambda asked, limit, offset=0: top_filters(asked.period, limit, offset),
    can_skip=True,
)

page = Page(
    "top",
    "Most used",
    "What is used most?",
    "The experts that visitors click, the queries they ask, the filters they set.",
    rows_of(experts, queries, filters),
    tables=(experts, queries, filters),
)
