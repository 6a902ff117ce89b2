"""CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from tcs_events.dashboard.json_text import plain
from tcs_events.reports.columns import Columns

# What begins with one of these is a formula to one spreadsheet or another, the full-width forms
# too: https://owasp.org/www-community/attacks/CSV_Injection
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def csv_bytes(columns: Columns, rows: Iterable[Any]) -> bytes:
    """Return the rows under the names of their fields, every cell quoted; no data is empty.

    It is UTF-8 that begins with a byte order mark: without one Excel takes it for another encoding.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([column.name for column in columns])
    writer.writerows([_cell(column.of(row)) for column in columns] for row in rows)
    # Half of a surrogate pair, which a host may have stored itself, has no place in UTF-8.
    return codecs.BOM_UTF8 + text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> str:
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_BEGINS_FORMULA) else value
    return json.dumps(value, ensure_ascii=False)
