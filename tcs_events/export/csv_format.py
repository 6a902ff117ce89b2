"""CSV for spreadsheets (RFC 4180, UTF-8): letters are right, and no cell runs as a formula."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import IO

from tcs_events.export.json_text import json_text
from tcs_events.export.rows import Row

FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Characters that start a formula, or that a spreadsheet skips before one. The last four are the
full-width forms of the first four.

https://owasp.org/www-community/attacks/CSV_Injection
"""


def harmless(text: str) -> str:
    """Return the text, with a `'` before it if a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def cell(value: object) -> str:
    """Return a value as the text of a cell: None is empty, a list or an object is JSON."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, date):
        return value.isoformat()
    text = json_text(value)
    return "" if text == "null" else text


class _Utf8:
    """Writes text as UTF-8. Unlike `io.TextIOWrapper`, it does not close the file at the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        # A host may have stored half of a surrogate pair, which UTF-8 cannot encode.
        return self._file.write(text.encode(errors="replace"))


def csv_lines(
    file: IO[bytes], *, with_mark: bool = True
) -> Callable[[Iterable[Iterable[object]]], None]:
    """Return a function that writes lines of cells into a binary file.

    Every cell is quoted: a spreadsheet that separates cells by semicolons would otherwise find
    cells inside a cell, and these may be formulas.

    Args:
        file: the file to write to.
        with_mark: begin with a byte order mark. Without one, Excel reads the file in the code page
            of its machine: "Zoë" becomes "ZoÃ«".
    """
    if with_mark:
        file.write(codecs.BOM_UTF8)
    return csv.writer(_Utf8(file), quoting=csv.QUOTE_ALL).writerows


class CsvWriter:
    """Writes a header line and one line per event. A missing e-mail address is an empty cell.

    Args:
        file: the file to write to.
        raw: for programs: without a byte order mark, and without `'` before formulas.
    """

    def __init__(self, file: IO[bytes], *, raw: bool) -> None:
        self._file = file
        self._write_lines = csv_lines(file, with_mark=not raw)
        self._text = str if raw else harmless
        self._write_lines([Row._fields])

    def write(self, rows: Sequence[Row]) -> None:
        text = self._text
        self._write_lines(
            (
                row.id,
                row.event_id,
                text(row.session_id),
                text(row.event_type),
                text(json_text(row.payload)),
                text(row.email or ""),
                row.created_at.isoformat(),
                row.received_at.isoformat(),
            )
            for row in rows
        )

    def close(self) -> None:
        self._file.flush()
