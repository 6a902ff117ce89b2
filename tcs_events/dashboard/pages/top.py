"""The items, queries and filters that are used most."""

from __future__ import annotations

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.narrowing import changes_of, clicks_of, searches_of
from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.table import Table, ranked
from tcs_events.event_types.roles import Click, FilterChange, Search
from tcs_events.reports import Reports
from tcs_events.reports.top import FILTER_COLUMNS, ITEM_COLUMNS, QUERY_COLUMNS

items = Table(
    "items",
    "{Items}",
    "The {items} that were clicked, and where. One visit may click in several places. Choose one to"
    " explore its clicks.",
    ITEM_COLUMNS,
    ranked(Reports.top_items),
    can_skip=True,
    roles=(Click,),
    leads_to={"item_id": lambda row, asked: clicks_of(row.item_id, asked)},
)
queries = Table(
    "queries",
    "Queries",
    "What visitors asked. Upper and lower case, and spaces, make no difference. Choose a query to"
    " explore its searches.",
    QUERY_COLUMNS,
    ranked(Reports.top_queries),
    can_skip=True,
    roles=(Search,),
    leads_to={"query": lambda row, asked: searches_of(row.query, asked)},
)
filters = Table(
    "filters",
    "Filters",
    "The filters that visitors set. Choose a value to explore its changes. Switching the value off"
    " counts as a change, too.",
    FILTER_COLUMNS,
    ranked(Reports.top_filters),
    can_skip=True,
    roles=(FilterChange,),
    leads_to={"value": lambda row, asked: changes_of(row.filter, row.value, asked)},
)

_LISTED = ((items, "{items}", "click"), (queries, "queries", "ask"), (filters, "filters", "set"))
"""The tables, what each lists, and what visitors do with it."""


def lede(asked: Asked) -> str:
    """Return the sentence about the tables that the host has."""
    listed = [(noun, verb) for table, noun, verb in _LISTED if asked.has(*table.roles)]
    who = ["that visitors", *["they"] * len(listed)]
    parts = [f"the {noun} {who[place]} {verb}" for place, (noun, verb) in enumerate(listed)]
    return f"T{', '.join(parts)[1:]}."


page = Page(
    "top",
    "Most used",
    "What is used most?",
    lede,
    rows_of(items, queries, filters),
    tables=(items, queries, filters),
    roles=(
        Search,
        Click,
        FilterChange,
    ),
    group="What they look for",
)
