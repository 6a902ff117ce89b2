"""Tables of the dashboard: their columns, and where their rows come from."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.filters import Kind
from tcs_events.event_types.roles import Role
from tcs_events.event_types.words import Words
from tcs_events.export.csv_format import cell, csv_lines
from tcs_events.reports.columns import Column, Columns, worded

FIRST_ROWS = 15
"""The most rows of a table on a question's page."""
PAGE_ROWS = 100
"""The rows of one page of "See all"."""
MAX_ROWS = 10_000
"""The most rows of a table in all, also as CSV."""


Target = tuple[str, dict[str, object]]
"""Where a link leads to: the name of a page, and URL parameters."""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    `rows(asked, limit)` asks the report for the first rows. If the table `can_skip`, a third
    argument says how many rows to skip. `{item}` and the like in its texts stand for the host's
    word: see `Words.in_text`.
    """

    name: str
    title: str
    caption: str
    columns: Columns
    rows: Callable[..., Sequence[Any]]
    keeps: tuple[str, ...] = ()
    """The URL parameters besides the period and the filters that its rows depend on."""
    can_skip: bool = False
    """Whether the report can skip rows. If not, a later page reads the earlier ones as well."""
    roles: tuple[type[Role], ...] = ()
    """It is shown to hosts that have declared an event type with one of these roles. Empty: to
    all."""
    filters: tuple[Kind, ...] = ()
    """The filters that its rows follow."""
    leads_to: Mapping[str, Callable[[Any, Asked], Target | None]] = field(default_factory=dict)
    """Where the cells of a column lead to, by its name: a function of the row."""

    def worded(self, words: Words) -> Table:
        """Return the same with a host's words for an item."""
        return replace(
            self,
            name=words.name(self.name),
            title=words.in_text(self.title),
            caption=words.in_text(self.caption),
            columns=worded(self.columns, words),
            leads_to={words.name(name): find for name, find in self.leads_to.items()},
        )

    def page(self, asked: Asked, number: int, size: int = PAGE_ROWS) -> Shown:
        """Return a page of "See all"; the first page is 1."""
        start = (number - 1) * size
        if self.can_skip:
            rows = self.rows(asked, min(size + 1, MAX_ROWS - start), start)
            return replace(self.of(rows, size=size), start=start, is_whole=True)
        rows = self.rows(asked, min(start + size + 1, MAX_ROWS))
        return replace(self.of(rows, start, size), is_whole=True)

    def of(self, rows: Sequence[Any], start: int = 0, size: int = FIRST_ROWS) -> Shown:
        """Return the part of `rows` to show: `size` rows from `start` on."""
        return Shown(self, list(rows[start : start + size]), start, len(rows) > start + size)


def timeline_of(row: Any, asked: Asked) -> Target | None:
    """Return the timeline of the visitor of a row; None if its session is not known."""
    return ("timeline", {"session": row.session_id}) if row.session_id else None


def ranked(question: Callable[..., Sequence[Any]]) -> Callable[..., Sequence[Any]]:
    """Return the `rows` of a table that can skip: those of a question about the period."""
    return lambda asked, limit, offset=0: question(
        asked.reports, asked.period, limit=limit, offset=offset
    )


def csv_bytes(columns: Columns, rows: Iterable[Any]) -> bytes:
    """Return the rows as CSV for spreadsheets. The first line has the columns' names."""
    file = io.BytesIO()
    write_lines = csv_lines(file)
    write_lines([[column.name for column in columns]])
    write_lines([cell(column.of(row)) for column in columns] for row in rows)
    return file.getvalue()


@dataclass(frozen=True)
class Shown:
    """The rows of a table that are shown."""

    table: Table
    rows: list[Any]
    start: int
    """How many rows come before the first one here."""
    has_more: bool
    is_whole: bool = False
    """Whether the extra columns are shown too."""

    @property
    def columns(self) -> Columns:
        """The columns that are shown."""
        columns = self.table.columns
        return columns if self.is_whole else tuple(c for c in columns if not c.is_extra)

    def target(self, column: Column, row: Any, asked: Asked) -> Target | None:
        """Return where a cell leads to; None for nowhere."""
        find = self.table.leads_to.get(column.name)
        return find(row, asked) if find else None

    @property
    def widest(self) -> float:
        """The largest value of all bar columns; its bar is the longest.

        All bars have the same scale, so two columns can be compared.
        """
        bars = [column for column in self.columns if column.show == "bar"]
        return max((column.of(row) or 0 for row in self.rows for column in bars), default=0) or 1
