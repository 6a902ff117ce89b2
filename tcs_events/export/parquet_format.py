"""Parquet, for tools that read columns: DuckDB, pandas, Spark. Needs `tcs-events[parquet]`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import IO, Any

from tcs_events.errors import TcsEventsError
from tcs_events.export.json_text import json_text
from tcs_events.export.rows import Row

GROUP_BYTES = 8 * 1024 * 1024
"""How much is collected in memory before it is written: readers are fastest with large groups."""


class PyarrowMissing(TcsEventsError):
    """The package that writes Parquet is not installed."""

    def __init__(self) -> None:
        super().__init__("Parquet needs pyarrow: pip install 'tcs-events[parquet]'.")


class ParquetWriter:
    """Writes a file with the columns of `user_events`; the payload is JSON text, times are UTC.

    Raises:
        PyarrowMissing: pyarrow is not installed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._arrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise PyarrowMissing from None
        text, time = self._arrow.string(), self._arrow.timestamp("us", tz="UTC")
        types = {"id": self._arrow.int64(), "created_at": time, "received_at": time}
        self._schema = self._arrow.schema(
            [
                self._arrow.field(name, types.get(name, text), nullable=name == "email")
                for name in Row._fields
            ]
        )
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def write(self, rows: Sequence[Row]) -> None:
        columns = {name: [getattr(row, name) for row in rows] for name in Row._fields}
        columns["event_id"] = [str(value) for value in columns["event_id"]]
        columns["payload"] = [json_text(value) for value in columns["payload"]]
        self._waiting.append(self._arrow.record_batch(columns, schema=self._schema))
        if sum(batch.nbytes for batch in self._waiting) >= GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        batches, self._waiting = self._waiting, []
        self._writer.write_table(self._arrow.Table.from_batches(batches, self._schema))
