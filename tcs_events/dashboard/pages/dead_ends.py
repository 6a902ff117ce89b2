"""Filters after which nothing was left."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports.wording import LEFT_WITH_NOTHING, SET_TO

_COUNTS = (
    Column("dead", LEFT_WITH_NOTHING, "visits in which no expert was left", "bar"),
    Column("visits", "Used by", "visits that used it", "count", value=lambda row: row.sessions),
    Column("share", "Share", "left with nothing, of the visits that used it", "share"),
)
values = Table(
    "dead_end_values",
    "One filter",
    "Filter values after which no expert was left, whatever else was set. Counts are visits.",
    (
        Column("filter", "Filter", "which filter was set"),
        Column("value", SET_TO, "the value it was set to"),
        *_COUNTS,
    ),
    lambda asked, limit, offset=0: asked.reports.dead_end_values(asked.period, limit, offset),
    can_skip=True,
)
combinations = Table(
    "dead_end_combinations",
    "Filters together",
    "All filters that were on when no expert was left. Counts are visits.",
    (Column("value", "Filters", "all filters that were active", "filters"), *_COUNTS),
    lambda asked, limit, offset=0: asked.reports.dead_end_combinations(asked.period, limit, offset),
    can_skip=True,
)

page = Page(
    "dead_ends",
    "Dead ends",
    "Where does filtering lead nowhere?",
    "Filters after which no expert was left to choose from.",
    rows_of(values, combinations),
    tables=(values, combinations),
)
