"""A row of a file, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

MAX_ROW_BYTES = 16 * 1024 * 1024
"""The longest row that is read. A quote that is never closed would else be read up to the end."""
TOO_LONG = f"it is longer than {MAX_ROW_BYTES // 1024 // 1024} MiB"
NOT_UTF8 = "it is not UTF-8 text"


class FileRow(NamedTuple):
    """A row of a file: the values by column, or why they cannot be read."""

    line: int
    """The number of the line on which it begins; in a Parquet file, of the row. The first is 1."""
    values: dict[str, Any]
    problem: str = ""
    """Why the row cannot be read. Empty if it can."""


class RowFile(Protocol):
    """The rows of an open file."""

    size: int
    """How much there is to read, in a unit of its own: bytes or rows."""
    has_quoted_formulas: bool
    """Whether this is CSV in which `export` has put a `'` before what would be a formula."""

    def done(self) -> int:
        """Return how much of `size` is read."""

    def is_own(self) -> bool:
        """Return whether `flask tcs-events export` wrote the file, as its columns say."""

    def __iter__(self) -> Iterator[FileRow]:
        """Give the rows in their order.

        Raises:
            FileUnreadable: the file is damaged. The rows before it were given.
        """
