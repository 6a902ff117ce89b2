"""Filters that left nothing to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tcs_events.counts.tables import uses
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading, by_code_points, in_period, total
from tcs_events.reports.top import parsed
from tcs_events.reports.wording import LEFT_WITH_NOTHING, SET_TO


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A filter value, or filters together, that left nothing. Counts are visits."""

    filter: str | None
    """The filter that was set; None for filters together."""
    value: Any
    """The value it was set to; for filters together, a dict of them all."""
    dead: int
    """Visits that were left with nothing."""
    sessions: int
    """Visits that used it."""

    @property
    def share(self) -> float:
        """The share of its visits that were left with nothing, 0 to 1."""
        return self.dead / self.sessions


_COUNTS: Columns = (
    Column("dead", LEFT_WITH_NOTHING, "visits in which no {item} was left", "bar"),
    Column("visits", "Used by", "visits that used it", "count"),
    Column("share", "Share", "share of the visits that used it", "share"),
)
VALUE_COLUMNS: Columns = (
    Column("filter", "Filter", "which filter was set"),
    Column("value", SET_TO, "the value it was set to", "value"),
    *_COUNTS,
)
COMBINATION_COLUMNS: Columns = (
    Column("value", "Filters", "all filters that were set", "filters"),
    *_COUNTS,
)


def dead_end_values(
    reading: Reading, period: Period, limit: int = 20, offset: int = 0
) -> list[DeadEnd]:
    """Return the filter values that left nothing, those with the most such visits first.

    At most `limit` rows, after the first `offset`.
    """
    return [
        DeadEnd(row.name, parsed(row.detail), row.dead, row.sessions)
        for row in _dead_ends(reading, "dead_filter", "filter", period, limit, offset)
    ]


def dead_end_combinations(
    reading: Reading, period: Period, limit: int = 20, offset: int = 0
) -> list[DeadEnd]:
    """Return the filters that together left nothing, those with the most such visits first.

    At most `limit` rows, after the first `offset`.
    """
    return [
        DeadEnd(None, parsed(row.name), row.dead, row.sessions)
        for row in _dead_ends(reading, "dead_combination", "combination", period, limit, offset)
    ]


def _dead_ends(
    reading: Reading, dead_kind: str, kind: str, period: Period, limit: int, offset: int
) -> list[Any]:
    with reading.counts() as connection:
        is_in_period = in_period(connection, uses, period)

        def sums(use: str, label: str) -> sa.Subquery:
            return (
                sa.select(uses.c.name, uses.c.detail, total(uses.c.sessions).label(label))
                .where(is_in_period, uses.c.kind == use)
                .group_by(uses.c.name, uses.c.detail)
                .subquery()
            )

        dead, used = sums(dead_kind, "dead"), sums(kind, "sessions")
        query = (
            sa.select(dead.c.name, dead.c.detail, dead.c.dead, used.c.sessions)
            .join(used, (used.c.name == dead.c.name) & (used.c.detail == dead.c.detail))
            .order_by(
                dead.c.dead.desc(),
                by_code_points(connection, dead.c.name),
                by_code_points(connection, dead.c.detail),
            )
            .limit(limit)
            .offset(offset)
        )
        return list(connection.execute(query))
