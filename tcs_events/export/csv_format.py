"""CSV for spreadsheets (RFC 4180, UTF-8): letters are right, and no cell runs as a formula.

Without a byte order mark, Excel reads the file in the code page of its machine: "Zoë" becomes
"ZoÃ«".
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from typing import IO

from tcs_events.export.rows import Row, strict_json

FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Characters that start a formula, or that a spreadsheet skips before one. The last four are the
full-width forms of the first four.

https://owasp.org/www-community/attacks/CSV_Injection
"""


def harmless(text: str) -> str:
    """Return the text, with a `'` before it if a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


class _Utf8:
    """Writes text as UTF-8. Unlike `io.TextIOWrapper`, it does not close the file at the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


class CsvWriter:
    """Writes a header line and one line per event. A missing e-mail address is an empty cell.

    Every cell is quoted: a spreadsheet that separates cells by semicolons would otherwise find
    cells inside a cell, and these may be formulas.

    Args:
        file: the file to write to.
        raw: for programs: without a byte order mark, and without `'` before formulas.
    """

    def __init__(self, file: IO[bytes], *, raw: bool) -> None:
        if not raw:
            file.write(codecs.BOM_UTF8)
        self._file = file
        self._csv = csv.writer(_Utf8(file), quoting=csv.QUOTE_ALL)
        self._cell = str if raw else harmless
        self._csv.writerow(Row._fields)

    def write(self, rows: Sequence[Row]) -> None:
        cell = self._cell
        self._csv.writerows(
            (
                row.id,
                row.event_id,
                cell(row.session_id),
                cell(row.event_type),
                cell(strict_json(row.payload)),
                cell(row.email or ""),
                row.created_at.isoformat(),
                row.received_at.isoformat(),
            )
            for row in rows
        )

    def close(self) -> None:
        self._file.flush()
