"""Reads Parquet. Needs `tcs-events[parquet]`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from tcs_events.export.parquet_format import PyarrowMissing
from tcs_events.export.rows import Row
from tcs_events.importing.errors import FileUnreadable
from tcs_events.importing.rows import FileRow

BATCH_ROWS = 1000


class ParquetRows:
    """The rows of a Parquet file.

    Raises:
        PyarrowMissing: pyarrow is not installed.
        OSError: the file cannot be read.
        FileUnreadable: it is not a Parquet file.
    """

    has_quoted_formulas = False

    def __init__(self, path: Path) -> None:
        try:
            self._errors: Any = import_module("pyarrow").ArrowException
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise PyarrowMissing from None
        self._path, self._read = path, 0
        self._open = path.open("rb")
        try:
            self._file = parquet.ParquetFile(self._open)
        except (self._errors, OSError):
            self._open.close()
            raise FileUnreadable(f"{path} is not a Parquet file.") from None
        self.size: int = self._file.metadata.num_rows

    def done(self) -> int:
        return self._read

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def is_own(self) -> bool:
        return tuple(self._file.schema_arrow.names) == Row._fields

    def __iter__(self) -> Iterator[FileRow]:
        batches = self._file.iter_batches(batch_size=BATCH_ROWS)
        while True:
            try:
                rows = next(batches).to_pylist()
            except StopIteration:
                return
            except (self._errors, OSError, ValueError) as error:
                raise FileUnreadable(
                    f"{self._path} is damaged after row {self._read:,} ({type(error).__name__})."
                ) from None
            for values in rows:
                self._read += 1
                row = {name: _plain(value) for name, value in values.items()}
                yield FileRow(self._read, {k: v for k, v in row.items() if v is not None})


def _plain(value: object) -> object:
    """Return a value as JSON has it.

    Times and decimals are text, durations are seconds, NaN is null.
    """
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
