"""What was used most."""

from __future__ import annotations

from tcs_events.dashboard.page import Page, rows_of
from tcs_events.dashboard.tables import Column, Table
from tcs_events.reports import top_experts, top_filters, top_queries

experts = Table(
    "experts",
    "Experts",
    "Whose card was clicked, and where it was. A session may have clicked in both places.",
    (
        Column("expert_id", "Expert", "the id that the event names"),
        Column("sessions", "Sessions", "sessions that clicked, each once a day", "bar"),
        Column("clicks", "Clicks", "every click", "count"),
        Column("by_context", "Where", "sessions by the place of the card", "contexts"),
    ),
    lambda asked, limit, offset=0: top_experts(asked.period, limit, offset),
    can_skip=True,
)
queries = Table(
    "queries",
    "Queries",
    "What was asked, in all its spellings taken together.",
    (
        Column("query", "Query", "lower case, single spaces"),
        Column("sessions", "Sessions", "sessions that asked it, each once a day", "bar"),
        Column("asks", "Asks", "every time it was asked", "count"),
        Column("sample", "As typed", "one of the texts as they were typed"),
    ),
    lambda asked, limit, offset=0: top_queries(asked.period, limit, offset),
    can_skip=True,
)
filters = Table(
    "filters",
    "Filters",
    "What the list was narrowed to.",
    (
        Column("filter", "Filter", "which filter was set"),
        Column("value", "Set to", "the value it was set to"),
        Column("sessions", "Sessions", "sessions that set it, each once a day", "bar"),
        Column("uses", "Uses", "every time it was set", "count"),
    ),
    lambda asked, limit, offset=0: top_filters(asked.period, limit, offset),
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
