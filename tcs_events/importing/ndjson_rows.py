"""Reads NDJSON: one JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator

from tcs_events import strict_json
from tcs_events.export.rows import Row
from tcs_events.importing.rows import MAX_ROW_BYTES, TOO_LONG, FileRow
from tcs_events.importing.text_file import TextFile


class NdjsonRows:
    """The rows of an NDJSON file. Empty lines are passed over."""

    has_quoted_formulas = False

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self.size, self.done = file.size, file.done
        self._lines = iter(file)
        self._first = next(self._lines, b"")

    def is_own(self) -> bool:
        return _row(1, self._first).values.keys() == set(Row._fields)

    def __iter__(self) -> Iterator[FileRow]:
        if self._first.strip():
            yield _row(1, self._first)
        for line in self._lines:
            if line.strip():
                yield _row(self._file.line, line)


def _row(number: int, line: bytes) -> FileRow:
    if len(line) > MAX_ROW_BYTES:
        return FileRow(number, {}, TOO_LONG)
    try:
        values, _ = strict_json.parse(line)
    except strict_json.NotStrictJson as error:
        return FileRow(number, {}, about_row(error))
    if not isinstance(values, dict):
        return FileRow(number, {}, "it is not a JSON object")
    return FileRow(number, values)


def about_row(error: strict_json.NotStrictJson) -> str:
    """Return what is wrong with the JSON of a row, to follow its line number."""
    return str(error).replace("The body", "it", 1).rstrip(".")
