"""Deletes rows a few at a time, so that requests that store events need not wait long.

SQLite has one writer: no event can be stored during one of our transactions. So each transaction
is short, and the pause after it is many times as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.counts import tables
from tcs_events.counts.days import date_in
from tcs_events.counts.stale import forget_sessions, mark_stale
from tcs_events.counts.state import ensure_state
from tcs_events.database.troubles import is_deadlock
from tcs_events.day_files.keeping import DayKeeper
from tcs_events.models import UserEvent
from tcs_events.rights.places import Place

TARGET_SECONDS = 0.004
"""How long one DELETE should take. Fewer rows would not shorten the rest of the transaction."""
TARGET_SECONDS_SQLITE = 0.0007
"""The same on SQLite, where all other writers wait meanwhile."""
CHECKPOINT_FACTOR = 4
"""The pause after a checkpoint of SQLite's log, as a multiple of its time. A checkpoint blocks no
writer, but it keeps the disk busy, which delays commits of events."""
PAUSE_FACTOR = 19
"""The pause after a transaction, as a multiple of its time. With 19, one event in twenty arrives
during a transaction and has to wait."""
MIN_PAUSE_SECONDS = 0.01
"""The store tries SQLite's lock every millisecond; a shorter pause could fall between two tries."""
DEADLOCKS_MAX = 3
"""How often a transaction is repeated after a deadlock, for example with one of the host's own."""
MIN_ROWS, MAX_ROWS = 20, 900
"""The rows per DELETE. Each is a parameter, and SQLite before 3.32 allows 999."""

Rows = Sequence[Any]
"""Rows of a table: the key of each, followed by `created_at` if reports count the rows."""
Find = Callable[[Connection, int], Rows | None]
"""Returns the next rows to delete, up to a limit; perhaps an empty list. None ends the deletion."""


class Pace:
    """Chooses how many rows to delete at a time, by how long the last deletion took."""

    def __init__(self, target_seconds: float = TARGET_SECONDS) -> None:
        self.rows = min(MIN_ROWS, MAX_ROWS)
        self._target_seconds = target_seconds

    def learn(self, seconds: float) -> None:
        """Adapt to the time of the last deletion. One call changes `rows` by half at most."""
        factor = min(1.5, max(0.5, self._target_seconds / max(seconds, 0.0001)))
        self.rows = min(MAX_ROWS, max(MIN_ROWS, round(self.rows * factor)))


class Deleter:
    """Deletes rows in many short transactions.

    If it is stopped, what was committed stays deleted. Several may run at the same time.

    Args:
        engine: the engine of the database with our tables.
        zone: the time zone of the reports' days.
        on_deleted: called after each commit with the number of rows it deleted.
        day_keeper: keeps files of days that have events to be deleted; None if nothing does.
    """

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        on_deleted: Callable[[Place, int], None],
        day_keeper: DayKeeper | None = None,
    ) -> None:
        self._engine = engine
        self._zone = zone
        self._on_deleted = on_deleted
        self._day_keeper = day_keeper
        is_sqlite = engine.dialect.name == "sqlite"
        self._pace = Pace(TARGET_SECONDS_SQLITE if is_sqlite else TARGET_SECONDS)

    def delete(self, place: Place, find: Find) -> None:
        """Delete all rows that `find` returns, until it returns None."""
        with self._engine.connect() as connection:
            ensure_state(connection, self._zone, datetime.now(UTC))
            with _with_small_syncs(connection) as checkpoint:
                while (seconds := self._delete_some(connection, place, find)) is not None:
                    started = time.monotonic()
                    checkpoint()
                    busy_seconds = time.monotonic() - started
                    pause = PAUSE_FACTOR * seconds + CHECKPOINT_FACTOR * busy_seconds
                    time.sleep(max(pause, MIN_PAUSE_SECONDS))
            with connection.begin():
                _wait_for_turn(connection)  # a normal commit, which syncs all deletions to disk

    def forget_visits(self, sessions: Collection[str]) -> None:
        """Forget the visits of those sessions that have no events left.

        The days of the other sessions are counted again: the mark that made one of them a crawler
        may have been deleted.
        """
        event = UserEvent.__table__.c
        with self._engine.begin() as connection:
            _wait_for_turn(connection)
            remaining = connection.execute(
                sa.select(event.session_id, event.created_at).where(event.session_id.in_(sessions))
            ).all()
            empty = set(sessions) - {row.session_id for row in remaining}
            forget_sessions(connection, self._zone, empty, [row.created_at for row in remaining])

    @contextmanager
    def removing_files(self) -> Iterator[None]:
        """Remove the files that have deleted events, at the end and also after an interruption.

        Raises:
            FilesLeft: they could not be removed.
        """
        try:
            yield
        finally:
            if self._day_keeper is not None:
                self._day_keeper.remove_old()

    def _delete_some(self, connection: Connection, place: Place, find: Find) -> float | None:
        """Delete the next rows. Return how long writers were blocked; None if no rows are left."""
        with connection.begin():  # a transaction of its own, because reading blocks nobody
            rows = find(connection, self._pace.rows)
        if rows is None:
            return None
        if not rows:
            return 0.0
        for _ in range(DEADLOCKS_MAX):
            try:
                return self._delete_rows(connection, place, rows)
            except sa.exc.DBAPIError as error:
                if not is_deadlock(error):  # a deadlock has ended the transaction
                    raise
        return self._delete_rows(connection, place, rows)

    def _delete_rows(self, connection: Connection, place: Place, rows: Rows) -> float:
        is_one_of = place.key(connection).in_([row[0] for row in rows])
        times = self._times_of_days([row[1] for row in rows]) if place.is_counted else ()
        with connection.begin():
            _sync_later(connection)
            _wait_for_turn(connection)
            started = time.monotonic()
            deleted = connection.execute(place.table.delete().where(is_one_of)).rowcount
            self._pace.learn(time.monotonic() - started)
            mark_stale(connection, self._zone, times)
        seconds = time.monotonic() - started
        if deleted:
            self._on_deleted(place, deleted)
        return seconds

    def _times_of_days(self, times: Sequence[datetime]) -> Sequence[datetime]:
        """Return times that cover the same days; only two if all are on one day."""
        bounds = min(times), max(times)
        return bounds if len({date_in(self._zone, at) for at in bounds}) == 1 else times


@contextmanager
def _with_small_syncs(connection: Connection) -> Iterator[Callable[[], None]]:
    """Let SQLite commit deletions without waiting for the disk, because other writers wait too.

    Gives a function that checkpoints the log, to be called after each transaction. Without it the
    log would grow, and a request that stores an event would have to checkpoint it.

    A power cut may bring back the rows that were deleted last, and does no other harm: every commit
    of an event syncs the log, and so does a checkpoint before it copies the log into the file
    (https://www.sqlite.org/pragma.html#pragma_synchronous).
    """
    driver = connection.connection.driver_connection
    if (
        connection.dialect.name != "sqlite"
        or driver is None
        or driver.execute("PRAGMA journal_mode").fetchone() != ("wal",)
    ):
        yield lambda: None
        return
    meanwhile = {"synchronous": "NORMAL", "wal_autocheckpoint": 0}
    before = {name: driver.execute(f"PRAGMA {name}").fetchone()[0] for name in meanwhile}
    try:
        _set(driver, meanwhile)
        yield lambda: _checkpoint(connection)
    finally:
        _set(driver, before)


def _checkpoint(connection: Connection) -> None:
    with connection.begin():
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()


def _set(driver: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        driver.execute(f"PRAGMA {name} = {value}").fetchall()


def _sync_later(connection: Connection) -> None:
    """Let PostgreSQL commit this transaction without waiting for the disk.

    Safe for the same reason as on SQLite: the log is synced in order, so a later commit of an event
    syncs the deletion too (https://www.postgresql.org/docs/current/wal-async-commit.html).
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _wait_for_turn(connection: Connection) -> None:
    """Take the lock that the transaction needs, with an update that changes nothing.

    On SQLite this is the write lock: a transaction that starts by reading can no longer write once
    another writer has committed. Elsewhere it is a lock on the row that all deletions and counts
    update first: without it, two deletions of the same rows in different order would deadlock.
    """
    connection.execute(tables.state.update().values(zone=tables.state.c.zone))
