"""The export formats. A writer also writes the start and the end of its format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Protocol

from tcs_events.export.csv_format import CsvWriter
from tcs_events.export.ndjson_format import NdjsonWriter
from tcs_events.export.parquet_format import ParquetWriter
from tcs_events.export.rows import Row

FORMATS = ("csv", "ndjson", "parquet")
"""The names of the formats, which are also the suffixes of their files."""
STREAMS = ("csv", "ndjson")
"""The formats that can be written to a pipe. A Parquet file has its index at the end."""


class Writer(Protocol):
    """Writes events in one format."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write the next events."""

    def close(self) -> None:
        """Write the end of the format. The file itself stays open."""


def open_writer(file: IO[bytes], name: str, *, raw: bool = False) -> Writer:
    """Write the start of the file, and return the writer for its events.

    Args:
        file: the file to write to.
        name: one of `FORMATS`.
        raw: CSV for programs: without a byte order mark, and without `'` before formulas.

    Raises:
        PyarrowMissing: the format is Parquet, and pyarrow is not installed.
    """
    match name:
        case "csv":
            return CsvWriter(file, raw=raw)
        case "ndjson":
            return NdjsonWriter(file)
        case _:
            return ParquetWriter(file)
