"""The items, queries and filters that are used most."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.table import Table, ranked
from tcs_events.event_types.roles import Click, FilterChange, Search
from tcs_events.reports import Reports
from tcs_events.reports.top import FILTER_COLUMNS, ITEM_COLUMNS, QUERY_COLUMNS

items = Table(
    "items",
    "{Items}",
    "The {items} that were clicked, and where. One visit may click in several places.",
    ITEM_COLUMNS,
    ranked(Reports.top_items),
    can_skip=True,
    roles=(Click,),
)
queries = Table(
    "queries",
    "Queries",
    "What visitors asked. Upper and lower case, and spaces, make no difference.",
    QUERY_COLUMNS,
    ranked(Reports.top_queries),
    can_skip=True,
    roles=(Search,),
)
filters = Table(
    "filters",
    "Filters",
    "The filters that visitors set.",
    FILTER_COLUMNS,
    ranked(Reports.top_filters),
    can_skip=True,
    roles=(FilterChange,),
)

page = Page(
    "top",
    "Most used",
    "What is used most?",
    "The {items} that visitors click, the queries they ask, the filters they set.",
    rows_of(items, queries, filters),
    tables=(items, queries, filters),
    roles=(
        Search,
        Click,
        FilterChange,
    ),
)
