"""Events into SQLite files."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from sqlalchemy import Engine, Table
from sqlalchemy.dialects.sqlite import insert

from tcs_events.event import Event, Outcome
from tcs_events.settings import LOST_ON_POWER_CUT
from tcs_events.stores.connection import OwnConnection
from tcs_events.stores.contract import Result
from tcs_events.strict_json import dumps

CACHE_KIB = 16 * 1024
# A longer write-ahead log writes a page back once that several commits have touched.
WAL_PAGES = 4000
PATIENCE_STEP_MS = 100


class SqliteCommitter:
    """Writes groups of events on one connection.

    In WAL a commit is one sync of one file; with synchronous=FULL it is on the disk when COMMIT
    returns: https://www.sqlite.org/pragma.html#pragma_synchronous
    """

    max_committers = 1  # SQLite has one writer at a time

    def __init__(self, engine: Engine, table: Table, durability: str) -> None:
        columns = [column.name for column in table.columns if not column.primary_key]
        statement = insert(table).on_conflict_do_nothing(index_elements=["event_id"])
        self._insert = str(statement.compile(dialect=engine.dialect, column_keys=columns))
        self._synchronous = "NORMAL" if durability == LOST_ON_POWER_CUT else "FULL"
        self._patience_ms = 0
        self.own = OwnConnection(engine, self._prepare)

    def _prepare(self, driver: Any) -> None:
        self._patience_ms = 1000
        for pragma in (
            f"busy_timeout = {self._patience_ms}",
            "journal_mode = WAL",
            f"synchronous = {self._synchronous}",
            f"cache_size = -{CACHE_KIB}",
            f"wal_autocheckpoint = {WAL_PAGES}",
        ):
            driver.execute(f"PRAGMA {pragma}").close()

    def write(self, events: Sequence[Event], deadline: float) -> list[Result]:
        """Write events in one transaction."""
        driver = self.own.get(deadline)
        cursor = driver.cursor()
        try:
            self._be_patient_until(deadline, cursor)
            rows = [_row(event) for event in events]
            # Nobody reads before writing here, so that waiting is done once, for the write lock.
            cursor.execute("BEGIN IMMEDIATE")
            try:
                cursor.executemany(self._insert, rows)
                if cursor.rowcount == len(rows):
                    results: list[Result] = [Outcome.ACCEPTED] * len(rows)
                else:
                    # Some were there before. Which ones, only one by one can tell.
                    cursor.execute("ROLLBACK")
                    cursor.execute("BEGIN IMMEDIATE")
                    results = [self._write_one(cursor, row) for row in rows]
                cursor.execute("COMMIT")
            finally:
                if driver.in_transaction:
                    cursor.execute("ROLLBACK")
        finally:
            cursor.close()
        return results

    def _write_one(self, cursor: Any, row: tuple[object, ...]) -> Outcome:
        cursor.execute(self._insert, row)
        return Outcome.ACCEPTED if cursor.rowcount else Outcome.DUPLICATE

    def _be_patient_until(self, deadline: float, cursor: Any) -> None:
        left_ms = max(0, int((deadline - monotonic()) * 1000))
        if abs(left_ms - self._patience_ms) > PATIENCE_STEP_MS:
            cursor.execute(f"PRAGMA busy_timeout = {left_ms}")
            self._patience_ms = left_ms


def _row(event: Event) -> tuple[object, ...]:
    """Return the values in the order of the columns, as SQLAlchemy's types write them."""
    created_at = event.created_at.replace(tzinfo=None).isoformat(" ", "microseconds")
    received_at = (
        created_at
        if event.received_at is event.created_at
        else event.received_at.replace(tzinfo=None).isoformat(" ", "microseconds")
    )
    return (
        event.event_id.hex,
        event.session_id,
        event.event_type,
        dumps(event.payload),
        event.email,
        created_at,
        received_at,
    )
