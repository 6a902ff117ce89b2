"""The connection that events are written to an SQLite file on: its journal, syncs and file."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Engine

from tcs_events.database.connection import OwnConnection
from tcs_events.database.problems import FILE_MISSING, Problem
from tcs_events.database.sqlite_file import Identity, OpenFile, remove_stale_log
from tcs_events.database.sqlite_journal import DURABLE, OURS, WAL, HostsChoice, Journal
from tcs_events.errors import StoreUnavailable
from tcs_events.settings import HOSTS_JOURNAL, LOST_ON_POWER_CUT, Settings

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
STEPS = 1000
"""How many virtual machine instructions SQLite runs between two checks of the deadline. A plain
insert takes about a hundred."""


class FileReplaced(StoreUnavailable):
    """Another file has come to the database's path meanwhile."""

    def __init__(self) -> None:
        super().__init__("FileReplaced", "see what replaces the database's file")


class SqliteConnection:
    """A connection to the file that is at the database's path now.

    In WAL mode a commit syncs one file once. With synchronous=FULL the data is on the disk when
    COMMIT returns. With another journal it takes several syncs, and synchronous=EXTRA:
    https://www.sqlite.org/pragma.html#pragma_synchronous
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.until = float("inf")
        """The `monotonic()` time at which a running statement is stopped."""
        self.journal = Journal("", "")
        """The journal of the connection that was opened last."""
        self._is_synced = settings.durability != LOST_ON_POWER_CUT
        self._keeps_journal = settings.sqlite_journal == HOSTS_JOURNAL
        self._hosts_choice = HostsChoice(engine)
        self._had_io_error = False
        self._expected: Identity | None = None
        """The file that was at the path just before the connection was opened."""
        self._file: OpenFile | None = None
        self.own = OwnConnection(engine, self._prepare, self._leave_file, self._opening)

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        self._expected = remove_stale_log(self.engine)
        with self._hosts_choice.watched():
            yield

    def _prepare(self, driver: Any) -> None:
        driver.set_trace_callback(None)
        pragma(driver, f"busy_timeout = {SETUP_PATIENCE_SECONDS * 1000:.0f}")
        # Before anything is written: the log may be another file's since a moment.
        self._open_file(driver)
        self.journal = self._choose_journal(driver)
        synced = "FULL" if self.journal.mode == WAL else "EXTRA"
        pragma(driver, f"synchronous = {synced if self._is_synced else 'NORMAL'}")
        pragma(driver, f"cache_size = -{CACHE_KIB}")
        pragma(driver, f"wal_autocheckpoint = {WAL_PAGES}")
        if self._is_synced:
            self._sync_existing_rows(driver)
        self._open_file(driver)  # the log may be a new one by now
        # From here on we wait with `time.sleep`, which gevent patches. SQLite's own waiting would
        # stop every greenlet of the process.
        pragma(driver, "busy_timeout = 0")
        # One of the host's triggers may be slow: https://www.sqlite.org/c3ref/progress_handler.html
        driver.set_progress_handler(lambda: monotonic() > self.until, STEPS)

    def _open_file(self, driver: Any) -> None:
        """Note which file the connection has open.

        Raises:
            FileReplaced: another one came to the path while the connection was opened.
        """
        # Reading opens the log.
        driver.execute("SELECT count(*) FROM sqlite_master").fetchall()
        if self._file is not None:
            self._file.close()
        self._file = file = OpenFile(self.engine, driver)
        if file.is_other_than(self._expected, self.engine):
            file.give_up(self._expected)
            raise FileReplaced()

    def _choose_journal(self, driver: Any) -> Journal:
        """Switch the file to the write-ahead log, unless the host has chosen another journal."""
        choice = self._hosts_choice
        mode: str = pragma(driver, "journal_mode")
        if self._keeps_journal:
            chosen_by = "TCS_EVENTS_SQLITE_JOURNAL"
        elif choice.mode is not None:
            chosen_by = "the app"
        elif not choice.is_known:
            chosen_by = "the app, which makes its connections itself"
        else:
            # SQLite does not wait for a writer while it switches the file to WAL, whatever the busy
            # timeout is: https://www.sqlite.org/c3ref/busy_handler.html
            mode = once_unlocked(
                lambda: pragma(driver, "journal_mode = WAL"), monotonic() + SETUP_PATIENCE_SECONDS
            )
            return Journal(mode, OURS)
        if mode != WAL and mode not in DURABLE:
            # Without a journal in a file, a crash in the middle of a commit would damage the
            # database. A journal other than WAL concerns this connection alone.
            mode = pragma(driver, "journal_mode = DELETE")
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
        if not pragma(driver, "wal_checkpoint(TRUNCATE)"):  # 1 means that it was blocked
            self._had_io_error = False
        elif self._had_io_error:
            # Another sync of the file would succeed without writing what the failed one lost.
            raise sqlite3.OperationalError("the log cannot be written back after an I/O error")
        else:
            # A reader blocks the checkpoint. A commit syncs the whole log, too.
            try:
                driver.execute("BEGIN IMMEDIATE")
                version = pragma(driver, "user_version")
                pragma(driver, f"user_version = {version}")
                driver.execute("COMMIT")
            except BaseException:
                driver.rollback()  # see `_leave_file`
                raise

    def _leave_file(self, driver: Any) -> None:
        # A statement that was not finished keeps the file locked after `close`, for as long as an
        # error's traceback holds its cursor: https://www.sqlite.org/c3ref/close.html
        driver.rollback()
        if self._file is not None:
            if self._file.is_replaced():
                self._file.leave(driver)
            self._file.close()

    def get(self, deadline: float) -> Any:
        """Return a connection to the file that is at the database's path now.

        Raises:
            StoreUnavailable: the file was deleted. We do not create a new one, because an empty
                file could be mistaken for the one that somebody is about to restore. Or the file is
                replaced again and again.
        """
        while True:
            self._leave_replaced()
            try:
                return self.own.get(deadline)
            except FileReplaced:
                if monotonic() > deadline:
                    raise

    def _leave_replaced(self) -> None:
        if self._file is not None and self._file.is_replaced():
            if self.own.is_open:  # False if the connection belongs to our parent process
                self.own.drop()
            if self._file.is_gone():
                raise StoreUnavailable("FileMissing", FILE_MISSING.remedy)

    def problem(self) -> Problem | None:
        """Return the problem if the file is gone from its path, else None."""
        return FILE_MISSING if self._file is not None and self._file.is_gone() else None

    def is_replaced(self) -> bool:
        """Return whether another file, or none, is at the path by now."""
        return self._file is not None and self._file.is_replaced()

    def note(self, error: sqlite3.Error) -> None:
        """Remember that a sync failed: the next connection must not trust what it reads."""
        self._had_io_error |= primary_code(error) == IO_ERROR


def once_unlocked(run: Callable[[], T], deadline: float) -> T:
    """Call `run` until no other connection holds the lock, or until the deadline."""
    while True:
        try:
            return run()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


def pragma(driver: Any, text: str) -> Any:
    """Run a PRAGMA, and return the first value of its first row, or None."""
    cursor = driver.execute(f"PRAGMA {text}")
    rows = cursor.fetchall()
    cursor.close()
    return rows[0][0] if rows else None


def is_busy(error: Exception) -> bool:
    """Return whether the file is locked. The connection itself is then still good."""
    return primary_code(error) in BUSY


def primary_code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
