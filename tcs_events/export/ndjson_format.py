"""NDJSON: one JSON object per line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from tcs_events.export.json_text import json_text
from tcs_events.export.rows import Row


class NdjsonWriter:
    """Writes one line per event. The payload is a nested object; times are in ISO 8601."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._file.write(json_text(row._asdict()).encode() + b"\n")

    def close(self) -> None:
        self._file.flush()
