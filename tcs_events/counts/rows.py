"""Which table holds which facts of a day, and under which names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from tcs_events.counts import tables
from tcs_events.counts.facts import Demand, Exposure, Facts, Use
from tcs_events.counts.properties import Sum


class Place(NamedTuple):
    """Some rows of a table of counts."""

    table: sa.Table
    same: dict[str, object]
    """The columns that all these rows have in common, and their values."""
    names: tuple[str, ...]
    """The columns that name what is counted."""
    counts: tuple[str, ...]
    """The columns of the counts."""
    narrow: str | None = None
    """The name by which a few rows are found among many. None if there are few rows."""
    signed: tuple[str, ...] = ()
    """The counts that may be less than zero."""


class FactTable(NamedTuple):
    """A table with one row for each thing that was counted on a day."""

    table: sa.Table
    fact: str
    """The name of the counts in `Facts`."""
    names: tuple[str, ...]
    kind: type
    """The dataclass of the counts."""
    narrow: str | None = None
    signed: tuple[str, ...] = ()

    def place(self, day: date) -> Place:
        """Return where the rows of a day are."""
        is_spanned = self.table in tables.SPANNED
        same: dict[str, object] = {"day": day, "unit": "day"} if is_spanned else {"day": day}
        counts = tuple(column.name for column in fields(self.kind))
        return Place(self.table, same, self.names, counts, self.narrow, self.signed)


FACT_TABLES = (
    FactTable(tables.activity, "activity", ("starts_at", "event_type"), Use),
    FactTable(tables.uses, "uses", ("kind", "name", "detail"), Use, "name"),
    FactTable(tables.demand, "demand", ("query",), Demand, "query"),
    FactTable(tables.exposure, "exposure", ("expert_id", "position"), Exposure, "expert_id"),
    FactTable(
        tables.properties,
        "sums",
        ("event_type", "property", "value", "added"),
        Sum,
        "value",
        signed=("total",),
    ),
)


def fact_rows(day: date, facts: Facts) -> Iterator[tuple[sa.Table, list[dict[str, object]]]]:
    """Yield each table with the rows of the day's facts."""
    for facts_of in FACT_TABLES:
        table, same, names, counts, *_ = facts_of.place(day)
        counted: dict[Any, Any] = getattr(facts, facts_of.fact)
        columns, counts_of = (*names, *counts), attrgetter(*counts)
        rows = (
            dict(zip(columns, (*as_key(key), *counts_of(numbers)), strict=True))
            for key, numbers in counted.items()
        )
        yield table, [{**row, **same} for row in rows]


def as_key(key: Any) -> tuple[Any, ...]:
    """Return a key of facts as a tuple. A key with one name is that name alone."""
    return key if isinstance(key, tuple) else (key,)
