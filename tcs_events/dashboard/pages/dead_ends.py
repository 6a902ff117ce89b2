"""Filters that left nothing to choose from."""

from __future__ import annotations

from tcs_events.dashboard.narrowing import changes_of, combination_of
from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.table import Table, ranked
from tcs_events.event_types.roles import FilterChange
from tcs_events.reports import Reports
from tcs_events.reports.dead_ends import COMBINATION_COLUMNS, VALUE_COLUMNS

values = Table(
    "dead_end_values",
    "One filter",
    "Filter values that left no {item}, alone or with other filters. Counts are visits. Choose a"
    " value to explore all its changes, by how much they left.",
    VALUE_COLUMNS,
    ranked(Reports.dead_end_values),
    can_skip=True,
    roles=(FilterChange,),
    leads_to={"value": lambda row, asked: changes_of(row.filter, row.value, asked)},
)
combinations = Table(
    "dead_end_combinations",
    "Filters together",
    "All filters that were set when no {item} was left. Counts are visits. Choose a combination to"
    " explore all changes to it.",
    COMBINATION_COLUMNS,
    ranked(Reports.dead_end_combinations),
    can_skip=True,
    roles=(FilterChange,),
    leads_to={"value": lambda row, asked: combination_of(row.value, asked)},
)

page = Page(
    "dead_ends",
    "Dead ends",
    "Where does filtering lead nowhere?",
    "Filters that left no {item} to choose from.",
    rows_of(values, combinations),
    tables=(values, combinations),
    roles=(FilterChange,),
    group="What they look for",
)
