"""The columns of a question, as its command prints them: the titles of the page in lower case."""

from __future__ import annotations

from typing import Any

from tcs_events.cli.output import Measured, share
from tcs_events.cli.visible import visible_json
from tcs_events.cli.worded import host_words
from tcs_events.reports.columns import Column, Columns, worded
from tcs_events.reports.durations import duration


class Printed:
    """The columns that a command prints, in its own order."""

    def __init__(self, columns: Columns, *names: str) -> None:
        by_name = {column.name: column for column in columns}
        self._columns = tuple(by_name[name] for name in names)

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the columns, with the host's word for an item."""
        return tuple(_title(column) for column in worded(self._columns, host_words()))

    def titles_of(self, *names: str) -> tuple[str, ...]:
        """Return the titles of the named columns, in the order of the names."""
        titles = dict(zip((column.name for column in self._columns), self.titles, strict=True))
        return tuple(titles[name] for name in names)

    def by_name(self, row: Any) -> dict[str, object]:
        """Return the values of a row by the names of these columns, for JSON."""
        return {column.name: column.of(row) for column in self._columns}

    def cells(self, row: Any) -> tuple[object, ...]:
        """Return a row of a question as the cells of these columns."""
        return tuple(_cell(column, column.of(row)) for column in self._columns)


def _title(column: Column) -> str:
    return column.heading.lower()


def _cell(column: Column, value: Any) -> object:
    if column.words is not None:
        return column.words[value].lower() if value is not None else None
    if column.show == "share":
        return share(value)
    if column.show == "number":
        return None if value is None else Measured(value)
    if column.show == "duration":
        return None if value is None else duration(value)
    if column.show == "contexts":
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    if column.show in ("value", "filters"):
        # As text, so that a number that a browser sent is not aligned like a count.
        return value if isinstance(value, str) else visible_json(value)
    return value
