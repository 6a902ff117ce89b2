"""NDJSON: one JSON object per line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from tcs_events.export.rows import Row, strict_json


class NdjsonWriter:
    """Writes one line per event. The payload is a nested object; times are in ISO 8601."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            line = strict_json(
                row._asdict()
                | {
                    "event_id": str(row.event_id),
                    "created_at": row.created_at.isoformat(),
                    "received_at": row.received_at.isoformat(),
                }
            )
            self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        self._file.flush()
