"""Reads CSV: the first line names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from tcs_events.export.rows import Row
from tcs_events.importing.errors import FileUnreadable
from tcs_events.importing.rows import MAX_ROW_BYTES, NOT_UTF8, TOO_LONG, FileRow
from tcs_events.importing.text_file import TextFile

SEPARATORS = ",;\t"
"""What may separate the cells. Spreadsheets of half the world write a semicolon."""


class CsvRows:
    """The rows of a CSV file in UTF-8. An empty cell has no value.

    Raises:
        FileUnreadable: the first line does not name the columns.
    """

    def __init__(self, path: Path, file: TextFile) -> None:
        self._file = file
        self.size, self.done = file.size, file.done
        # The limit is one for the process, and its default is less than a payload may have.
        csv.field_size_limit(MAX_ROW_BYTES)
        self._is_too_long = False
        lines = map(self._text, file)
        header = next(lines, "")
        separator = max(SEPARATORS, key=header.count)
        try:
            self._columns = next(csv.reader([header], delimiter=separator), [])
        except csv.Error:
            self._columns = []
        if not _is_utf8(header) or not any(self._columns):
            raise FileUnreadable(f"The first line of {path} does not name columns in UTF-8.")
        if len(set(self._columns)) < len(self._columns):
            raise FileUnreadable(f"The first line of {path} names a column twice.")
        # Only this way a quote that is never closed is an error.
        self._reader = csv.reader(lines, delimiter=separator, strict=True)
        self.has_quoted_formulas = file.has_mark and self.is_own()

    def is_own(self) -> bool:
        return tuple(self._columns) == Row._fields

    def __iter__(self) -> Iterator[FileRow]:
        while True:
            start, self._is_too_long = self._file.line + 1, False
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield FileRow(start, {}, _problem(error))
                continue
            if self._is_too_long:
                yield FileRow(start, {}, TOO_LONG)
            elif cells:
                yield self._row(start, cells)

    def _row(self, line: int, cells: list[str]) -> FileRow:
        if len(cells) != len(self._columns):
            problem = f"it has {len(cells)} cells, and the first line names {len(self._columns)}"
            return FileRow(line, {}, problem)
        if not _is_utf8("".join(cells)):
            return FileRow(line, {}, NOT_UTF8)
        pairs = zip(self._columns, cells, strict=True)
        return FileRow(line, {column: cell for column, cell in pairs if cell})

    def _text(self, line: bytes) -> str:
        self._is_too_long |= len(line) > MAX_ROW_BYTES
        # A byte that is not UTF-8 must cost its own row only. It becomes half a surrogate pair.
        return line.decode(errors="surrogateescape")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(error: csv.Error) -> str:
    text = str(error)
    if "field limit" in text:
        return TOO_LONG
    if "unexpected end" in text:
        return "a quote that it opens is not closed before the end of the file"
    return f"it is not CSV ({text})"
