"""Stores events in SQLite files."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from tcs_events.database.problems import Problem
from tcs_events.errors import StoreUnavailable
from tcs_events.event import Outcome, Record
from tcs_events.stores.columns import data_columns, holds_events, unique_id
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import not_kept
from tcs_events.stores.sqlite_connection import (
    FileReplaced,
    SqliteConnection,
    once_unlocked,
    primary_code,
)

INTERRUPTED = 9  # SQLITE_INTERRUPT: https://www.sqlite.org/rescode.html


class SqliteCommitter:
    """Writes groups of records of one table."""

    def __init__(self, connection: SqliteConnection, table: Table) -> None:
        dialect, record_id = connection.engine.dialect, unique_id(table)
        columns = [column.name for column in data_columns(table)]
        statement = insert(table).on_conflict_do_nothing(index_elements=[record_id])
        self._insert = str(statement.compile(dialect=dialect, column_keys=columns))
        select_id = select(record_id).where(record_id == bindparam("id"))
        self._select_id = str(select_id.compile(dialect=dialect))
        self._table = table
        self._row = _event_row if holds_events(table) else _any_row
        self._connection = connection
        self.own = connection.own

    def connection(self, deadline: float) -> Any:
        """Return the driver's connection. Raises what `SqliteConnection.get` raises."""
        return self._connection.get(deadline)

    def problem(self) -> Problem | None:
        """Return the problem if the file is gone from its path, else None."""
        return self._connection.problem()

    def write(self, events: Sequence[Record], deadline: float) -> list[Result]:
        """Write events in one transaction, and again if the file was replaced during it.

        The path is checked after the commit, and before it only for a single event. Under load a
        second check would cost as much as the rows, because each one lets another thread run.

        Raises:
            StoreUnavailable: the file is gone, or is replaced again and again.
        """
        is_under_load = self.own.is_open and len(events) > 1
        driver = self.own.get(deadline) if is_under_load else self.connection(deadline)
        while True:
            try:
                results = self._write_group(driver, events, deadline)
            except Exception:
                if not self._connection.is_replaced():
                    raise
            else:
                if not self._connection.is_replaced():
                    return results
            if monotonic() > deadline:
                raise FileReplaced
            driver = self.connection(deadline)

    def _write_group(self, driver: Any, events: Sequence[Record], deadline: float) -> list[Result]:
        rows = [self._row(event) for event in events]
        cursor = driver.cursor()
        self._connection.until = deadline
        try:
            self._begin(cursor, deadline)
            try:
                cursor.executemany(self._insert, rows)
                if cursor.rowcount == len(rows):
                    results: list[Result] = [Outcome.ACCEPTED] * len(rows)
                else:
                    # Some ids are stored already. Insert one by one to find out which.
                    cursor.execute("ROLLBACK")
                    self._begin(cursor, deadline)
                    results = [self._write_one(cursor, row) for row in rows]
                # With a rollback journal, COMMIT waits for all readers.
                once_unlocked(lambda: cursor.execute("COMMIT"), deadline)
            finally:
                self._connection.until = float("inf")
                if driver.in_transaction:
                    cursor.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            self._connection.note(error)
            if primary_code(error) == INTERRUPTED:
                raise StoreUnavailable("Timeout") from None
            raise
        finally:
            cursor.close()
        return results

    def _begin(self, cursor: Any, deadline: float) -> None:
        """Take the write lock first, so that no later statement has to wait for it."""
        once_unlocked(lambda: cursor.execute("BEGIN IMMEDIATE"), deadline)

    def _write_one(self, cursor: Any, row: tuple[object, ...]) -> Result:
        cursor.execute(self._insert, row)
        if cursor.rowcount:
            return Outcome.ACCEPTED
        # The id was stored already, or one of the host's triggers has dropped the row.
        is_there = cursor.execute(self._select_id, row[:1]).fetchone() is not None
        return Outcome.DUPLICATE if is_there else not_kept(self._table)


def _any_row(record: Record) -> tuple[object, ...]:
    """Return the values in the form that SQLAlchemy's types write."""
    return tuple(_text(value) if isinstance(value, datetime) else value for value in record)


def _event_row(record: Record) -> tuple[object, ...]:
    """Return the same for an event. It is written out because that takes a third of the time."""
    event_id, session_id, event_type, payload, email, created_at, received_at = record
    created = _text(created_at)
    received = created if received_at is created_at else _text(received_at)
    return event_id, session_id, event_type, payload, email, created, received


def _text(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(" ", "microseconds")
