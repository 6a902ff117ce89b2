"""Filters after which nothing was left."""

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
    """A value of a filter, or a combination of filters, that left nothing. In sessions."""

    filter: str | None
    """The filter that was set; None for a combination."""
    value: Any
    """The value it was set to; for a combination a dict of all active filters."""
    dead: int
    """Sessions that were left with nothing."""
    sessions: int
    """Sessions that used it."""

    @property
    def share(self) -> float:
        """The part of the sessions that used it which were left with nothing, 0 to 1."""
        return self.dead / self.sessions


_COUNTS: Columns = (
    Column("dead", LEFT_WITH_NOTHING, "visits in which no expert was left", "bar"),
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
    """Return the filter values after which nothing was left, first the most sessions.

    At most `limit`, after the first `offset`.
    """
    return [
        DeadEnd(row.name, parsed(row.detail), row.dead, row.sessions)
        for row in _dead_ends(reading, "dead_filter", "filter", period, limit, offset)
    ]


def dead_end_combinations(
    reading: Reading, period: Period, limit: int = 20, offset: int = 0
) -> list[DeadEnd]:
    """Return the combinations of filters after which nothing was left, first the most sessions.

    At most `limit`, after the first `offset`.
    """
    return [
        DeadEnd(None, parsed(row.name), row.dead, row.sessions)
        for row in _dead_ends(reading, "dead_combination", "combination", period, limit, offset)
    ]


def _dead_ends(
    reading: Reading, dead_kind: str, kind: str, period: Period, limit: int, offset: int
) -> list[Any]:
    with reading.counts() as connection:
        is_within = in_period(connection, uses, period)

        def sums(of_kind: str, label: str) -> sa.Subquery:
            return (
                sa.select(uses.c.name, uses.c.detail, total(uses.c.sessions).label(label))
                .where(is_within, uses.c.kind == of_kind)
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
