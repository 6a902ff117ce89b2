"""Filters after which nothing was left."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports import dead_end_combinations, dead_end_values

_COUNTS = (
    Column("dead", "Left with nothing", "sessions that were left with nothing", "bar"),
    Column("sessions", "Used by", "sessions that used it, each once a day", "count"),
    Column("share", "Share", "left with nothing, of the sessions that used it", "share"),
)
values = Table(
    "dead_end_values",
    "One filter",
    "Values of a filter that left nothing, whatever else was set.",
    (
        Column("filter", "Filter", "which filter was set"),
        Column("value", "Set to", "the value it was set to"),
        *_COUNTS,
    ),
    lambda asked, limit, offset=0: dead_end_values(asked.period, limit, offset),
    can_skip=True,
)
combinations = Table(
    "dead_end_combinations",
    "Filters together",
    "All the filters that were active when nothing was left.",
    (Column("value", "Filters", "all filters that were active", "filters"), *_COUNTS),
    lambda asked, limit, offset=0: dead_end_combinations(asked.period, limit, offset),
    can_skip=True,
)

page = Page(
    "dead_ends",
    "Dead ends",
    "Where does filtering lead nowhere?",
    "Filters after which nobody was left to choose from.",
    rows_of(values, combinations),
    tables=(values, combinations),
)
