"""The formats there are. Each writes bytes, and begins and ends what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Protocol

from tcs_events.export.csv_format import CsvWriter
from tcs_events.export.ndjson_format import NdjsonWriter
from tcs_events.export.parquet_format import ParquetWriter
from tcs_events.export.rows import Row

FORMATS = ("csv", "ndjson", "parquet")
"""Their names, which are also the suffixes of their files."""
STREAMS = ("csv", "ndjson")
"""Those that can go to a pipe. The end of a Parquet file is its table of contents."""


class Writer(Protocol):
    """Writes events in one format."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write some of the events."""

    def close(self) -> None:
        """Write what ends the format. The file itself stays open."""


def open_writer(file: IO[bytes], name: str, *, raw: bool = False) -> Writer:
    """Return the writer of a format, having begun the file.

    Args:
        file: where it writes.
        name: one of `FORMATS`.
        raw: CSV for programs, not for spreadsheets: cells as they are, no byte order mark.

    Raises:
        PyarrowMissing: it is Parquet, and pyarrow is not installed.
    """
    match name:
        case "csv":
            return CsvWriter(file, raw=raw)
        case "ndjson":
            return NdjsonWriter(file)
        case _:
            return ParquetWriter(file)
