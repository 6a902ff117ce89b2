"""What was used most."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports.wording import AS_TYPED, SET_TO

experts = Table(
    "experts",
    "Experts",
    "Whose card was clicked, and where the card was. One visit may have clicks in both places.",
    (
        Column("expert_id", "Expert", "the id that the event names"),
        Column("visits", "Visits", "visits with a click", "bar", value=lambda row: row.sessions),
        Column("clicks", "Clicks", "every click", "count"),
        Column("by_context", "Where", "visits by the place of the card", "contexts"),
    ),
    lambda asked, limit, offset=0: asked.reports.top_experts(asked.period, limit, offset),
    can_skip=True,
)
queries = Table(
    "queries",
    "Queries",
    "What was asked. Spellings of the same query are counted together.",
    (
        Column("query", "Query", "lower case, single spaces"),
        Column("visits", "Visits", "visits that asked it", "bar", value=lambda row: row.sessions),
        Column("asks", "Asks", "every time it was asked", "count"),
        Column("sample", AS_TYPED, "one of the texts as they were typed"),
    ),
    lambda asked, limit, offset=0: asked.reports.top_queries(asked.period, limit, offset),
    can_skip=True,
)
filters = Table(
    "filters",
    "Filters",
    "What the list was narrowed to.",
    (
        Column("filter", "Filter", "which filter was set"),
        Column("value", SET_TO, "the value it was set to"),
        Column("visits", "Visits", "visits that set it", "bar", value=lambda row: row.sessions),
        Column("uses", "Uses", "every time it was set", "count"),
    ),
    lambda asked, limit, offset=0: asked.reports.top_filters(asked.period, limit, offset),
    can_skip=True,
)

page = Page(
    "top",
    "Most used",
    "What is used most?",
    "The experts who are clicked, the questions that are asked, the filters that are set.",
    rows_of(experts, queries, filters),
    tables=(experts, queries, filters),
)
