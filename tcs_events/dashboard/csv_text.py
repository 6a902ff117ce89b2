"""Tables as CSV for spreadsheets: no cell can run as a formula."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from tcs_events.dashboard.json_text import plain
from tcs_events.reports.columns import Columns

# Some spreadsheet takes a cell that starts with one of these, or with its full-width form, for a
# formula: https://owasp.org/www-community/attacks/CSV_Injection
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def csv_bytes(columns: Columns, rows: Iterable[Any]) -> bytes:
    """Return the rows as CSV in UTF-8, with the columns' names first and None as an empty cell.

    Every cell is quoted. A byte order mark comes first: without one, Excel guesses the encoding.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([column.name for column in columns])
    writer.writerows([_cell(column.of(row)) for column in columns] for row in rows)
    # A host may have stored half of a surrogate pair, which UTF-8 cannot encode.
    return codecs.BOM_UTF8 + text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> str:
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_BEGINS_FORMULA) else value
    return json.dumps(value, ensure_ascii=False)
