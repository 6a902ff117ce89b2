"""Filters after which nothing was left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tcs_events.counts.tables import uses
from tcs_events.reports.period import Period
from tcs_events.reports.reading import by_code_points, reading_counts, total, within
from tcs_events.reports.top import parsed


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A filter value, or a combination of filters, after which no expert was left."""

    filter: str | None
    """The filter that was set. None for a combination."""
    value: Any
    """The value it was set to. For a combination: a dict of all active filters."""
    dead: int
    """Visits that were left with no expert."""
    sessions: int
    """Visits that used it."""

    @property
    def share(self) -> float:
        """The part of these visits that were left with no expert, 0 to 1."""
        return self.dead / self.sessions


def dead_end_values(period: Period, limit: int = 20, offset: int = 0) -> list[DeadEnd]:
    """Return the filter values after which no expert was left, those of the most visits first.

    At most `limit` rows, after the first `offset`.
    """
    return [
        DeadEnd(row.name, parsed(row.detail), row.dead, row.sessions)
        for row in _dead_ends("dead_filter", "filter", period, limit, offset)
    ]


def dead_end_combinations(period: Period, limit: int = 20, offset: int = 0) -> list[DeadEnd]:
    """Return the filter combinations after which no expert was left, the most visits first.

    At most `limit` rows, after the first `offset`.
    """
    return [
        DeadEnd(None, parsed(row.name), row.dead, row.sessions)
        for row in _dead_ends("dead_combination", "combination", period, limit, offset)
    ]


def _dead_ends(dead_kind: str, kind: str, period: Period, limit: int, offset: int) -> list[Any]:
    with reading_counts() as connection:
        is_within = within(connection, uses, period)

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
                dead.c.dead.desc(), by_code_points(dead.c.name), by_code_points(dead.c.detail)
            )
            .limit(limit)
            .offset(offset)
        )
        return list(connection.execute(query))
