"""What was used most."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.tables import Table
from tcs_events.reports.top import EXPERT_COLUMNS, FILTER_COLUMNS, QUERY_COLUMNS

experts = Table(
    "experts",
    "Experts",
    "Whose card was clicked, and where the card was. One visit may have clicks in both places.",
    EXPERT_COLUMNS,
    lambda asked, limit, offset=0: asked.reports.top_experts(asked.period, limit, offset),
    can_skip=True,
)
queries = Table(
    "queries",
    "Queries",
    "What was asked. Spellings of the same query are counted together.",
    QUERY_COLUMNS,
    lambda asked, limit, offset=0: asked.reports.top_queries(asked.period, limit, offset),
    can_skip=True,
)
filters = Table(
    "filters",
    "Filters",
    "What the list was narrowed to.",
    FILTER_COLUMNS,
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
