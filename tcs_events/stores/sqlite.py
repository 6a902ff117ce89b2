"""Stores events in SQLite files."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Engine, Table, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from tcs_events.database.connection import OwnConnection
from tcs_events.database.problems import FILE_MISSING, Problem
from tcs_events.database.sqlite_file import OpenFile
from tcs_events.database.sqlite_journal import DURABLE, OURS, WAL, HostsChoice, Journal
from tcs_events.errors import StoreUnavailable
from tcs_events.event import Event, Outcome, Record
from tcs_events.settings import HOSTS_JOURNAL, LOST_ON_POWER_CUT, WRITE_AHEAD_LOG
from tcs_events.stores.columns import data_columns, unique_id
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import not_kept
from tcs_events.strict_json import dumps

T = TypeVar("T")

CACHE_KIB = 16 * 1024
WAL_PAGES = 4000
"""The length of the write-ahead log at which SQLite writes it back. SQLite's default is 1000. In a
longer log, a page that several commits have changed is written back only once."""
SETUP_PATIENCE_SECONDS = 0.5
"""How long setting up a connection waits for a lock."""
PAUSE_SECONDS = 0.001
"""The pause between two attempts to take a lock."""
# https://www.sqlite.org/rescode.html
BUSY = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED
IO_ERROR = 10  # SQLITE_IOERR
INTERRUPTED = 9  # SQLITE_INTERRUPT
STEPS = 1000
"""How many virtual machine instructions SQLite runs between two checks of the deadline. A plain
insert takes about a hundred."""


class SqliteCommitter:
    """Writes groups of events on one connection.

    In WAL mode a commit syncs one file once. With synchronous=FULL the data is on the disk when
    COMMIT returns. With another journal it takes several syncs, and synchronous=EXTRA:
    https://www.sqlite.org/pragma.html#pragma_synchronous
    """

    max_committers = 1  # SQLite has one writer at a time

    def __init__(
        self, engine: Engine, table: Table, durability: str, journal: str = WRITE_AHEAD_LOG
    ) -> None:
        columns = [column.name for column in data_columns(table)]
        statement = insert(table).on_conflict_do_nothing(index_elements=[unique_id(table)])
        self._insert = str(statement.compile(dialect=engine.dialect, column_keys=columns))
        record_id = unique_id(table)
        select_id = select(record_id).where(record_id == bindparam("id"))
        self._select_id = str(select_id.compile(dialect=engine.dialect))
        self._table = table
        self._is_synced = durability != LOST_ON_POWER_CUT
        self._had_io_error = False
        self._until = float("inf")
        """The `monotonic()` time at which a running statement is stopped."""
        self._engine = engine
        self._file: OpenFile | None = None
        self._keeps_journal = journal == HOSTS_JOURNAL
        self._hosts_choice = HostsChoice(engine)
        self.journal = Journal("", "")
        """The journal of the connection that was opened last."""
        self.own = OwnConnection(
            engine, self._prepare, self._leave_file, self._hosts_choice.watched
        )

    def _prepare(self, driver: Any) -> None:
        driver.set_trace_callback(None)
        _pragma(driver, f"busy_timeout = {SETUP_PATIENCE_SECONDS * 1000:.0f}")
        self.journal = self._choose_journal(driver)
        synced = "FULL" if self.journal.mode == WAL else "EXTRA"
        _pragma(driver, f"synchronous = {synced if self._is_synced else 'NORMAL'}")
        _pragma(driver, f"cache_size = -{CACHE_KIB}")
        _pragma(driver, f"wal_autocheckpoint = {WAL_PAGES}")
        if self._is_synced:
            self._sync_existing_rows(driver)
        # Reading opens the log file, and `OpenFile` notes which file that is.
        driver.execute("SELECT count(*) FROM sqlite_master").fetchall()
        self._file = OpenFile(self._engine, driver)
        # From here on we wait with `time.sleep`, which gevent patches. SQLite's own waiting would
        # stop every greenlet of the process.
        _pragma(driver, "busy_timeout = 0")
        # One of the host's triggers may be slow: https://www.sqlite.org/c3ref/progress_handler.html
        driver.set_progress_handler(lambda: monotonic() > self._until, STEPS)

    def _choose_journal(self, driver: Any) -> Journal:
        """Switch the file to the write-ahead log, unless the host has chosen another journal."""
        choice = self._hosts_choice
        mode: str = _pragma(driver, "journal_mode")
        if self._keeps_journal:
            chosen_by = "TCS_EVENTS_SQLITE_JOURNAL"
        elif choice.mode is not None:
            chosen_by = "the app"
        elif not choice.is_known:
            chosen_by = "the app, which makes its connections itself"
        else:
            # SQLite does not wait for a writer while it switches the file to WAL, whatever the busy
            # timeout is: https://www.sqlite.org/c3ref/busy_handler.html
            mode = _once_unlocked(
                lambda: _pragma(driver, "journal_mode = WAL"), monotonic() + SETUP_PATIENCE_SECONDS
            )
            return Journal(mode, OURS)
        if mode != WAL and mode not in DURABLE:
            # Without a journal in a file, a crash in the middle of a commit would damage the
            # database. A journal other than WAL concerns this connection alone.
            mode = _pragma(driver, "journal_mode = DELETE")
        return Journal(mode, chosen_by)

    def _sync_existing_rows(self, driver: Any) -> None:
        """Sync the rows that are already in the file, before one of them is called a duplicate.

        If a process is killed after it wrote to the log and before it synced it, the next process
        reads these rows from the page cache, but they may not be on the disk. The same happens if a
        sync fails.
        """
        # The first read opens the log. Without it, on a connection that has just switched the file
        # to WAL, the checkpoint fails with "database table is locked".
        driver.execute("SELECT count(*) FROM sqlite_master").fetchall()
        if not _pragma(driver, "wal_checkpoint(TRUNCATE)"):  # 1 means that it was blocked
            self._had_io_error = False
        elif self._had_io_error:
            # Another sync of the file would succeed without writing what the failed one lost.
            raise sqlite3.OperationalError("the log cannot be written back after an I/O error")
        else:
            # A reader blocks the checkpoint. A commit syncs the whole log, too.
            try:
                driver.execute("BEGIN IMMEDIATE")
                version = _pragma(driver, "user_version")
                _pragma(driver, f"user_version = {version}")
                driver.execute("COMMIT")
            except BaseException:
                driver.rollback()  # see `_leave_file`
                raise

    def _leave_file(self, driver: Any) -> None:
        # A statement that was not finished keeps the file locked after `close`, for as long as an
        # error's traceback holds its cursor: https://www.sqlite.org/c3ref/close.html
        driver.rollback()
        if self._file is not None and self._file.is_replaced():
            self._file.leave(driver)

    def connection(self, deadline: float) -> Any:
        """Return a connection to the file that is at the database's path now.

        Raises:
            StoreUnavailable: the file was deleted. We do not create a new one, because an empty
                file could be mistaken for the one that somebody is about to restore.
        """
        if self._file is not None and self._file.is_replaced():
            if self.own.is_open:  # False if the connection belongs to our parent process
                self.own.drop()
            if self._file.is_gone():
                raise StoreUnavailable("FileMissing", FILE_MISSING.remedy)
        return self.own.get(deadline)

    def problem(self) -> Problem | None:
        """Return the problem if the file is gone from its path, else None."""
        return FILE_MISSING if self._file is not None and self._file.is_gone() else None

    def _is_replaced(self) -> bool:
        return self._file is not None and self._file.is_replaced()

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
                if not self._is_replaced():
                    raise
            else:
                if not self._is_replaced():
                    return results
            if monotonic() > deadline:
                raise StoreUnavailable("FileReplaced", "see what replaces the database's file")
            driver = self.connection(deadline)

    def _write_group(self, driver: Any, events: Sequence[Record], deadline: float) -> list[Result]:
        rows = [_row(event) for event in events]
        cursor = driver.cursor()
        self._until = deadline
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
                _once_unlocked(lambda: cursor.execute("COMMIT"), deadline)
            finally:
                self._until = float("inf")
                if driver.in_transaction:
                    cursor.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            self._had_io_error |= _primary_code(error) == IO_ERROR
            if _primary_code(error) == INTERRUPTED:
                raise StoreUnavailable("Timeout") from None
            raise
        finally:
            cursor.close()
        return results

    def _begin(self, cursor: Any, deadline: float) -> None:
        """Take the write lock first, so that no later statement has to wait for it."""
        _once_unlocked(lambda: cursor.execute("BEGIN IMMEDIATE"), deadline)

    def _write_one(self, cursor: Any, row: tuple[object, ...]) -> Result:
        cursor.execute(self._insert, row)
        if cursor.rowcount:
            return Outcome.ACCEPTED
        # The id was stored already, or one of the host's triggers has dropped the row.
        is_there = cursor.execute(self._select_id, row[:1]).fetchone() is not None
        return Outcome.DUPLICATE if is_there else not_kept(self._table)


def _once_unlocked(run: Callable[[], T], deadline: float) -> T:
    """Call `run` until no other connection holds the lock, or until the deadline."""
    while True:
        try:
            return run()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


def _pragma(driver: Any, text: str) -> Any:
    """Run a PRAGMA, and return the first value of its first row, or None."""
    cursor = driver.execute(f"PRAGMA {text}")
    rows = cursor.fetchall()
    cursor.close()
    return rows[0][0] if rows else None


def is_busy(error: Exception) -> bool:
    """Return whether the file is locked. The connection itself is then still good."""
    return _primary_code(error) in BUSY


def _primary_code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _row(record: Record) -> tuple[object, ...]:
    """Return the values in the order of the columns, in the form that SQLAlchemy's types write."""
    return _event_row(record) if isinstance(record, Event) else tuple(map(_value, record))


def _value(value: object) -> object:
    match value:
        case UUID():
            return value.hex
        case datetime():
            return _text(value)
        case dict():
            return dumps(value)
    return value


def _text(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(" ", "microseconds")


def _event_row(event: Event) -> tuple[object, ...]:
    created_at = _text(event.created_at)
    received_at = created_at if event.received_at is event.created_at else _text(event.received_at)
    return (
        event.event_id.hex,
        event.session_id,
        event.event_type,
        dumps(event.payload),
        event.email,
        created_at,
        received_at,
    )
