"""Stores the events of a file, batch by batch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tcs_events.errors import ColumnsMissing, StoreUnavailable, TableMissing
from tcs_events.event import Event, Outcome, Record
from tcs_events.importing.conversion import UndeclaredType
from tcs_events.importing.errors import FileUnreadable, RowRefused, StoppedAtRow
from tcs_events.importing.rows import FileRow
from tcs_events.stores import Store
from tcs_events.stores.contract import Result

BATCH_ROWS = 500
BATCH_BYTES = 1024 * 1024
PAUSES_SECONDS = (0.5, 1, 2, 4, 8, 15)
"""How long to wait after each failure of the database: a lock, a restart, a busy minute."""
MAX_TYPES = 100
"""How many undeclared types are counted each by itself."""


class Importer:
    """Stores events, and counts what became of their rows.

    Args:
        store: the store of the events. None stores nothing, and only checks the rows.
        on_refused: called with the line and the reason of each refused row.
        strict: whether to stop at the first refused row.
        wait: sleeps for some seconds.
    """

    def __init__(
        self,
        store: Store | None,
        on_refused: Callable[[int, str], None],
        *,
        strict: bool = False,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.counts = Counter({"rows": 0, "stored": 0, "duplicates": 0, "refused": 0})
        """What became of the rows. Duplicates were stored before, by this import or another."""
        self.undeclared: Counter[str] = Counter()
        """The refused rows whose event type is not declared, by this type."""
        self._store = store
        self._on_refused = on_refused
        self._strict = strict
        self._wait = wait
        self._lines: list[int] = []
        self._records: list[Record] = []
        self._bytes = 0

    def run(
        self,
        rows: Iterable[FileRow],
        event_of: Callable[[dict[str, Any]], Event],
        progress: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """Store the events of all rows. What is stored is durable when `progress` is called.

        Args:
            rows: the rows of the file.
            event_of: makes an event of a row, or raises `RowRefused`.
            progress: called with the number of all rows that are done, after each batch.

        Raises:
            FileUnreadable: the file is damaged. The rows before it are stored.
            StoppedAtRow: a row is refused, and the import is strict. Those before it are stored.
            StoreUnavailable: the database failed for half a minute. Some rows are stored.
        """
        try:
            for row in rows:
                self.counts["rows"] += 1
                self._take(row, event_of)
                if len(self._records) >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
                    self._store_batch()
                if self.counts["rows"] % BATCH_ROWS == 0:
                    progress(self.counts["rows"])
        except (FileUnreadable, StoppedAtRow):
            self._store_batch()  # the rows before the one that stops the import
            raise
        self._store_batch()
        progress(self.counts["rows"])

    def _take(self, row: FileRow, event_of: Callable[[dict[str, Any]], Event]) -> None:
        if row.problem:
            self._refuse(row.line, row.problem)
            return
        try:
            record = event_of(row.values).record()
        except RowRefused as error:
            if isinstance(error, UndeclaredType):
                self._note_undeclared(error.event_type)
            self._refuse(row.line, str(error))
            return
        self._lines.append(row.line)
        self._records.append(record)
        self._bytes += sum(len(value) for value in record if isinstance(value, str))

    def _note_undeclared(self, event_type: str) -> None:
        counts = self.undeclared
        if event_type in counts or len(counts) < MAX_TYPES:
            counts[event_type] += 1

    def _refuse(self, line: int, reason: str) -> None:
        self.counts["refused"] += 1
        if self._strict:
            raise StoppedAtRow(line, reason)
        self._on_refused(line, reason)

    def _store_batch(self) -> None:
        lines, records = self._lines, self._records
        self._lines, self._records, self._bytes = [], [], 0
        if not records:
            return
        if self._store is None:
            self.counts["stored"] += len(records)
            return
        for line, result in zip(lines, self._appended(self._store, records), strict=True):
            if result is Outcome.ACCEPTED:
                self.counts["stored"] += 1
            elif result is Outcome.DUPLICATE:
                self.counts["duplicates"] += 1
            else:
                self._refuse(line, "the database does not take this value")

    def _appended(self, store: Store, records: Sequence[Record]) -> list[Result]:
        """Store records, and try again if the database fails. Their ids make that safe."""
        pauses = iter(PAUSES_SECONDS)
        while True:
            try:
                results = store.append(records)
                for result in results:
                    if isinstance(result, StoreUnavailable):
                        raise result
                return results
            except (TableMissing, ColumnsMissing):
                raise
            except StoreUnavailable:
                pause = next(pauses, None)
                if pause is None:
                    raise
                self._wait(pause)
