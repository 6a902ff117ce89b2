"""What can happen to a MariaDB while events arrive."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql

from tests.faults.small_disk import small_disk
from tests.mariadb import MariaDB, running_mariadb

DOWN_SECONDS = 1.5
FROZEN_SECONDS = 3
NEW_TABLES_BYTES = 8 << 20
"""What MariaDB writes for our tables when they are empty."""


@dataclass(frozen=True)
class Crashing:
    """A server that crashes, and the URL of one of its databases."""

    server: MariaDB
    url: str

    def crash(self, number: int) -> None:
        self.server.kill()
        self.server.start()


def crash(server: MariaDB) -> None:
    server.kill()
    time.sleep(DOWN_SECONDS)
    server.start()


def restart(server: MariaDB) -> None:
    server.stop()
    server.start()


def freeze(server: MariaDB) -> None:
    server.signal(signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    server.signal(signal.SIGCONT)
    server.wait_until_it_accepts()


def lock_table(server: MariaDB) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES test.user_events WRITE")
        time.sleep(FROZEN_SECONDS)
        cursor.execute("UNLOCK TABLES")


def lock_all(server: MariaDB) -> None:
    """Do what a backup does that is taken without care."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        time.sleep(FROZEN_SECONDS)
        cursor.execute("UNLOCK TABLES")


def lock_rows(server: MariaDB) -> None:
    """Read everything for an update, in the isolation level that also locks what is not there."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        cursor.execute("START TRANSACTION")
        cursor.execute("SELECT count(*) FROM (SELECT id FROM test.user_events FOR UPDATE) AS rows_")
        time.sleep(FROZEN_SECONDS)
        connection.rollback()


def end_connections(server: MariaDB) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist"
            " WHERE db = 'test' AND id <> connection_id()"
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


def no_connection_left(server: MariaDB) -> None:
    """Somebody else takes every connection there is, after ours have been ended."""
    taken = []
    try:
        end_connections(server)
        deadline = time.monotonic() + FROZEN_SECONDS
        while time.monotonic() < deadline:
            try:
                taken.append(server.connect())
            except pymysql.OperationalError:  # that was the last one
                time.sleep(0.05)
    finally:
        for connection in taken:
            connection.close()
    server.wait_until_it_accepts()


def read_only(server: MariaDB) -> None:
    """Become a replica, which stops all writers but administrators."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
        time.sleep(DOWN_SECONDS)
        cursor.execute("SET GLOBAL read_only = 0")


FAULTS: dict[str, Callable[[MariaDB], None]] = {
    fault.__name__: fault
    for fault in (
        crash,
        restart,
        freeze,
        lock_table,
        lock_all,
        lock_rows,
        end_connections,
        no_connection_left,
        read_only,
    )
}


@contextmanager
def running_for_an_app() -> Iterator[Crashing]:
    """Run a new server with an empty database. Its user has the rights of an ordinary app."""
    # Its files are not in memory: there MariaDB maps its log, and syncs it without a system call.
    with running_mariadb("--max-connections=40") as server:
        yield Crashing(server, new_database(server))


def new_database(server: MariaDB, driver: str = "pymysql") -> str:
    """Make the database anew. Return its URL for the user."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS test")
        cursor.execute("CREATE DATABASE test")
        cursor.execute("CREATE USER IF NOT EXISTS app")
        cursor.execute("GRANT ALL ON test.* TO app")
    place = server.url.partition("root")[2].removesuffix("/mysql")
    return f"mysql+{driver}://app{place}/test"


@contextmanager
def database_on_a_small_disk(server: MariaDB) -> Iterator[Path]:
    """Move the files of the database, which has no tables, to a small disk. Gives that disk."""
    with small_disk(server.folder / "disk", NEW_TABLES_BYTES) as disk:
        place, tables = server.data / "test", disk / "tables"
        shutil.move(place, tables)
        server.own(tables)
        place.symlink_to(tables)
        try:
            yield disk
        finally:
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("DROP DATABASE test")
