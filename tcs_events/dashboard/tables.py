"""Tables: what their columns mean, and where their rows come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.reports.columns import Columns

FIRST_ROWS = 15
"""How many rows of a table its own page shows."""
PAGE_ROWS = 100
"""How many rows "see all" shows at once."""
MAX_ROWS = 10_000
"""How many rows a table has at most, in a CSV file too."""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    `rows` asks the report for at most so many: the first ones, or, where it `can_skip`, those after
    as many as its third argument says.
    """

    name: str
    title: str
    caption: str
    columns: Columns
    rows: Callable[..., Sequence[Any]]
    keeps: tuple[str, ...] = ()
    """The parameters besides the period that its rows depend on."""
    can_skip: bool = False
    """Whether the rows of a later page are had without those before."""

    def page(self, asked: Asked, number: int, size: int = PAGE_ROWS) -> Shown:
        """Return a page of the rows, the first one being 1."""
        start = (number - 1) * size
        if self.can_skip:
            rows = self.rows(asked, min(size + 1, MAX_ROWS - start), start)
            return replace(self.of(rows, size=size), start=start, is_whole=True)
        rows = self.rows(asked, min(start + size + 1, MAX_ROWS))
        return replace(self.of(rows, start, size), is_whole=True)

    def of(self, rows: Sequence[Any], start: int = 0, size: int = FIRST_ROWS) -> Shown:
        """Return what is shown of rows that a page has asked for already."""
        return Shown(self, list(rows[start : start + size]), start, len(rows) > start + size)


@dataclass(frozen=True)
class Shown:
    """Some rows of a table."""

    table: Table
    rows: list[Any]
    start: int
    """How many rows come before these."""
    has_more: bool
    is_whole: bool = False
    """Whether all columns are shown."""

    @property
    def columns(self) -> Columns:
        """The columns that are shown."""
        columns = self.table.columns
        return columns if self.is_whole else tuple(one for one in columns if not one.is_extra)

    @property
    def widest(self) -> float:
        """The largest value that has a bar: a full one. Bars of two columns can be compared."""
        bars = [column for column in self.columns if column.show == "bar"]
        return max((column.of(row) or 0 for row in self.rows for column in bars), default=0) or 1
