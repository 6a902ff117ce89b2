"""What was used most."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.spellings import commonest
from tcs_events.counts.tables import uses
from tcs_events.counts.time_limit import in_time
from tcs_events.database.batches import AT_ONCE
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading, by_code_points, in_period, total
from tcs_events.reports.wording import AS_TYPED, SET_TO


@dataclass(frozen=True, slots=True)
class TopExpert:
    """An item that was clicked."""

    expert_id: str
    clicks: int
    sessions: int
    by_context: dict[str, int]
    """Visits by the context of the click, such as `grid`. One visit may count in several."""

    @property
    def item_id(self) -> str:
        """The same as `expert_id`, for hosts whose items are no experts."""
        return self.expert_id


@dataclass(frozen=True, slots=True)
class TopQuery:
    """A query, with all its spellings counted together."""

    query: str
    """The normalised text: NFKC_Casefold, with characters that look the same made one."""
    sample: str
    """The spelling that most visits typed."""
    asks: int
    sessions: int


@dataclass(frozen=True, slots=True)
class TopFilter:
    """A value that a filter was set to."""

    filter: str
    value: Any
    uses: int
    sessions: int


ITEM_COLUMNS: Columns = (
    Column("item_id", "{Item}", "the {item}'s id in events"),
    Column("visits", "Visits", "visits with a click", "bar"),
    Column("clicks", "Clicks", "every click", "count"),
    Column("by_context", "Where", "visits by the place of the click", "contexts"),
)
QUERY_COLUMNS: Columns = (
    Column("query", "Query", "the query in lower case, with single spaces"),
    Column("visits", "Visits", "visits that asked it", "bar"),
    Column("asks", "Asks", "every time it was asked", "count"),
    Column("sample", AS_TYPED, "the query as one visitor typed it"),
)
FILTER_COLUMNS: Columns = (
    Column("filter", "Filter", "which filter was set"),
    Column("value", SET_TO, "the value it was set to", "value"),
    Column("visits", "Visits", "visits that set it", "bar"),
    Column("uses", "Uses", "every time it was set", "count"),
)


def top_experts(
    reading: Reading, period: Period, limit: int = 20, offset: int = 0
) -> list[TopExpert]:
    """Return the items clicked in the most visits, at most `limit` after the first `offset`."""
    clicked = _top(reading, "click", period, limit, offset)
    with reading.counts() as connection:
        contexts = _details(connection, "click_in", period, [row.name for row in clicked])
    return [
        TopExpert(
            row.name,
            row.events,
            row.sessions,
            {context: sessions for context, (sessions, _) in sorted(contexts[row.name].items())},
        )
        for row in clicked
    ]


def top_queries(
    reading: Reading, period: Period, limit: int = 20, offset: int = 0
) -> list[TopQuery]:
    """Return the queries asked in the most visits, at most `limit` after the first `offset`."""
    asked = _top(reading, "query", period, limit, offset)
    with reading.counts() as connection:
        samples = spellings(connection, period, [row.name for row in asked])
    return [TopQuery(row.name, samples[row.name], row.events, row.sessions) for row in asked]


def top_filters(
    reading: Reading, period: Period, limit: int = 20, offset: int = 0
) -> list[TopFilter]:
    """Return the filter values set in the most visits, at most `limit` after the first `offset`."""
    return [
        TopFilter(row.name, parsed(row.detail), row.events, row.sessions)
        for row in _top(reading, "filter", period, limit, offset)
    ]


def _top(reading: Reading, kind: str, period: Period, limit: int, offset: int) -> list[Any]:
    with reading.counts() as connection:
        # A query has one row for each of its spellings; an item has no detail.
        keys = [uses.c.name, uses.c.detail] if kind == "filter" else [uses.c.name]
        query = (
            sa.select(*keys, total(uses.c.events), total(uses.c.sessions))
            .where(in_period(connection, uses, period), uses.c.kind == kind)
            .group_by(*keys)
            .order_by(sa.desc("sessions"), *(by_code_points(connection, key) for key in keys))
            .limit(limit)
            .offset(offset)
        )
        return list(connection.execute(query))


def _details(
    connection: Connection, kind: str, period: Period, names: Sequence[str]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Return visits and events by name and detail: of an item, the context of the clicks."""
    # All names are read if there are more of them than one statement may have.
    is_named = uses.c.name.in_(names) if len(names) <= AT_ONCE else sa.true()
    query = (
        sa.select(uses.c.name, uses.c.detail, total(uses.c.sessions), total(uses.c.events))
        .where(in_period(connection, uses, period), uses.c.kind == kind, is_named)
        .group_by(uses.c.name, uses.c.detail)
    )
    details: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in names}
    for name, detail, *counts in in_time(connection, connection.execute(query)):
        if name in details:
            details[name][detail] = counts[0], counts[1]
    return details


def spellings(connection: Connection, period: Period, queries: Sequence[str]) -> dict[str, str]:
    """Return the commonest spelling of each query in a period.

    Each visit counts for the spelling it typed most often. A tie is decided by the number of
    queries, then by the order of Unicode.
    """
    return {
        query: commonest({spelling or query: counts for spelling, counts in typed.items()})
        for query, typed in _details(connection, "query", period, queries).items()
    }


def parsed(text: str) -> Any:
    """Return the value of a filter, or its text if it was too long to be kept whole."""
    try:
        return json.loads(text)
    except ValueError:
        return text
