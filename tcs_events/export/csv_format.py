"""CSV as RFC 4180 has it, in UTF-8, for spreadsheets: its letters are right, and nothing is run.

Excel reads a file without a byte order mark in the code page of its machine, and "Zoë" is "ZoÃ«".
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from typing import IO

from tcs_events.export.rows import Row, strict_json

FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the start of a formula, or skips before one. The last four are the
first four in full width.

https://owasp.org/www-community/attacks/CSV_Injection
"""


def harmless(text: str) -> str:
    """Return the text with a `'` before it where a spreadsheet would run it."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


class _Utf8:
    """Writes text as bytes, and leaves the file open where `io.TextIOWrapper` would close it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


class CsvWriter:
    """Writes a line of names, and one per event. An address that is not there is an empty cell.

    Every cell is quoted: else a spreadsheet that separates by semicolons finds formulas inside.

    Args:
        file: where it writes.
        raw: for programs: without the byte order mark, and with formulas as they are.
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
