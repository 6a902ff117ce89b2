"""Takes rows away, so few at a time that nobody who stores an event waits for long.

SQLite has one writer: while a transaction of ours is open, no event is stored. It is kept short,
and between two of them there is much more time for others than the last one took.
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
from tcs_events.models import UserEvent
from tcs_events.rights.places import Place

TARGET_SECONDS = 0.004
"""So long the deletion itself should take. The rest of a transaction does not get shorter with
fewer rows."""
TARGET_SECONDS_SQLITE = 0.0007
"""The same where everybody else waits meanwhile."""
CHECKPOINT_FACTOR = 4
"""So many times as long as it took to write SQLite's log back into its file. That holds up nobody
who writes, but the disk is busy with it, and whoever syncs an event meanwhile waits."""
PAUSE_FACTOR = 19
"""So many times as long as a transaction took is the pause after it: one event in twenty meets a
transaction, and most of them but the end of it."""
MIN_PAUSE_SECONDS = 0.01
"""Our store asks every millisecond whether SQLite's lock is free: it shall not miss that it was."""
MIN_ROWS, MAX_ROWS = 20, 900
"""Each is a parameter, and SQLite before 3.32 takes 999."""

Rows = Sequence[Any]
"""Rows of a table: the key of each, and then, where reports count them, `created_at`."""
Find = Callable[[Connection, int], Rows | None]
"""Gives rows to delete, at most so many, and perhaps none this time. None: there are no more."""


class Pace:
    """How many rows to delete at a time, by how long the deletions before took."""

    def __init__(self, target_seconds: float = TARGET_SECONDS) -> None:
        self.rows = min(MIN_ROWS, MAX_ROWS)
        self._target_seconds = target_seconds

    def learn(self, seconds: float) -> None:
        """Grow or shrink with the time that the last one took, at most by half."""
        factor = min(1.5, max(0.5, self._target_seconds / max(seconds, 0.0001)))
        self.rows = min(MAX_ROWS, max(MIN_ROWS, round(self.rows * factor)))


class Deleter:
    """Deletes what it is told to find, one short transaction after the other.

    What is committed stays deleted, whatever ends it; any number of them may run at once.

    Args:
        engine: of the database that holds the tables.
        zone: whose days reports count.
        on_deleted: is told how many rows were deleted, after each commit.
    """

    def __init__(
        self, engine: Engine, zone: ZoneInfo, on_deleted: Callable[[Place, int], None]
    ) -> None:
        self._engine = engine
        self._zone = zone
        self._on_deleted = on_deleted
        is_sqlite = engine.dialect.name == "sqlite"
        self._pace = Pace(TARGET_SECONDS_SQLITE if is_sqlite else TARGET_SECONDS)

    def delete(self, place: Place, find: Find) -> None:
        """Delete everything that `find` finds."""
        with self._engine.connect() as connection:
            with connection.begin():
                ensure_state(connection, self._zone, datetime.now(UTC))
            with _with_small_syncs(connection) as checkpoint:
                while (seconds := self._delete_some(connection, place, find)) is not None:
                    started = time.monotonic()
                    checkpoint()
                    busy_seconds = time.monotonic() - started
                    pause = PAUSE_FACTOR * seconds + CHECKPOINT_FACTOR * busy_seconds
                    time.sleep(max(pause, MIN_PAUSE_SECONDS))
            with connection.begin():
                _wait_for_turn(connection)  # which syncs what was deleted

    def forget_visits(self, sessions: Collection[str]) -> None:
        """Forget on which days sessions were there, of those that have no event any more.

        The others' days are counted again: a session may have been that of a crawler until now.
        """
        event = UserEvent.__table__.c
        with self._engine.begin() as connection:
            _wait_for_turn(connection)
            left = connection.execute(
                sa.select(event.session_id, event.created_at).where(event.session_id.in_(sessions))
            ).all()
            gone = set(sessions) - {row.session_id for row in left}
            forget_sessions(connection, self._zone, gone, [row.created_at for row in left])

    def _delete_some(self, connection: Connection, place: Place, find: Find) -> float | None:
        """Return how long others had to wait; None when nothing is left."""
        with connection.begin():  # one of its own: nobody waits for who reads
            found = find(connection, self._pace.rows)
        if found is None:
            return None
        if not found:
            return 0.0
        is_one_of = place.key(connection).in_([row[0] for row in found])
        times = self._times_of_days([row[1] for row in found]) if place.is_counted else ()
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
        """Return times of the same days, and two of them where there is but one day."""
        bounds = min(times), max(times)
        return bounds if len({date_in(self._zone, at) for at in bounds}) == 1 else times


@contextmanager
def _with_small_syncs(connection: Connection) -> Iterator[Callable[[], None]]:
    """Have SQLite not wait for the disk in each transaction, for others wait for it meanwhile.

    Gives a function that writes the log back into the file, to be called after each transaction:
    a long log is written back by whoever stores an event. A power cut brings back what was deleted
    last, and nothing else: the log is synced by every commit of an event, and before it is written
    back, https://www.sqlite.org/pragma.html#pragma_synchronous.
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
    """Have PostgreSQL not wait for the disk at the end of this transaction, for the same reason.

    It syncs in the order of its log, https://www.postgresql.org/docs/current/wal-async-commit.html.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _wait_for_turn(connection: Connection) -> None:
    """Take, with a write that changes nothing, what the transaction will need.

    On SQLite that is the write lock: a transaction that reads first and is overtaken by a writer
    cannot write any more. Elsewhere it is the row that everybody who deletes or counts writes to:
    two who delete the same rows, each in an order of its own, would wait for each other.
    """
    connection.execute(tables.state.update().values(zone=tables.state.c.zone))
