"""Writes the events of one type on one day as Parquet files. Needs `tcs-events[explore]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from tcs_events.counts.events import StoredEvent
from tcs_events.day_files.columns import Columns, Kinds, column_names
from tcs_events.day_files.folder import DayFile

SESSION, DAY = "session", "day"
"""The columns besides those of properties: the number of the session, and the day."""
FILE_EVENTS = 100_000
FILE_BYTES = 64 * 1024 * 1024
"""A file ends after this many events, or values of this size: they are all in memory."""


def write_files(prefix: str, day: date, events: Iterable[StoredEvent]) -> Iterator[DayFile]:
    """Write events, and yield each file once it is written.

    Args:
        prefix: the path of the files, without the end of their names.
        day: the day of the events.
        events: those of one type.
    """
    columns = Columns()
    number = 0
    for session_id, _, payload, _ in events:
        columns.add(session_id, payload)
        if len(columns.sessions) >= FILE_EVENTS or columns.size >= FILE_BYTES:
            yield _write(f"{prefix}.{number}.parquet", day, columns)
            columns, number = Columns(), number + 1
    if columns.sessions:
        yield _write(f"{prefix}.{number}.parquet", day, columns)


def _write(path: str, day: date, columns: Columns) -> DayFile:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    events = len(columns.sessions)
    arrays = {
        SESSION: arrow.array(columns.sessions, arrow.int64()),
        DAY: arrow.array([day] * events, arrow.date32()),
    }
    properties: dict[str, Kinds] = {}
    for name, kinds, numbers, texts in columns.take():
        properties[name] = kinds
        in_numbers, in_texts = column_names(name)
        if kinds.has_numbers:
            arrays[in_numbers] = arrow.array(numbers, arrow.float64())
        if kinds.has_texts:
            arrays[in_texts] = arrow.array(texts, arrow.string())
    # The number of a session is as good as random, so a dictionary of them only adds to the size.
    with_dictionary = [name for name in arrays if name != SESSION]
    parquet.write_table(
        arrow.table(arrays), path, compression="zstd", use_dictionary=with_dictionary
    )
    Path(path).chmod(0o600)
    return DayFile(path, events, columns.is_whole, properties)
