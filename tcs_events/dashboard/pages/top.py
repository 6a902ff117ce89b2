"""The experts, queries and filters that are used most."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.table import Table, ranked
from tcs_events.event_types.roles import Click, FilterChange, Search
from tcs_events.reports import Reports
from tcs_events.reports.top import EXPERT_COLUMNS, FILTER_COLUMNS, QUERY_COLUMNS

experts = Table(
    "experts",
    "Experts",
    "Experts whose card was clicked, and where it was. One visit may click in several places.",
    EXPERT_COLUMNS,
    ranked(Reports.top_experts),
    can_skip=True,
)
queries = Table(
    "queries",
    "Queries",
    "What visitors asked. Upper and lower case, and spaces, make no difference.",
    QUERY_COLUMNS,
    ranked(Reports.top_queries),
    can_skip=True,
)
filters = Table(
    "filters",
    "Filters",
    "The filters that visitors set.",
    FILTER_COLUMNS,
    ranked(Reports.top_filters),
    can_skip=True,
)

page = Page(
    "top",
    "Most used",
    "What is used most?",
    "The experts that visitors click, the queries they ask, the filters they set.",
    rows_of(experts, queries, filters),
    tables=(experts, queries, filters),
    roles=(
        Search,
        Click,
        FilterChange,
    ),
)
