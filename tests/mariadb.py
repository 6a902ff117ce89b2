"""A MariaDB server of the tests' own, and an empty database of it for each test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tests.support import free_port, memory_folder

TableNames = frozenset[str]

INSTALL = "apt-get install mariadb-server, or set TCS_EVENTS_TEST_MARIADB_URL"
START_SECONDS = 60
# Without native AIO, because the kernel has few of its slots, and each server takes thousands.
SMALL = ("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--innodb-use-native-aio=0")
LOCK_SECONDS = 10

# What a test can alter in a database, except rows. The number of a table's next row is left out.
_ITEMS = """
SELECT concat_ws(',', 'table', table_name, table_type, engine, table_collation, row_format,
                 create_options, table_comment)
    FROM information_schema.tables WHERE table_schema = database()
UNION ALL SELECT concat_ws(',', 'column', table_name, column_name, ordinal_position, column_type,
                           is_nullable, column_default, collation_name, extra)
    FROM information_schema.columns WHERE table_schema = database()
UNION ALL SELECT concat_ws(',', 'index', table_name, index_name, seq_in_index, column_name,
                           non_unique, sub_part)
    FROM information_schema.statistics WHERE table_schema = database()
UNION ALL SELECT concat_ws(',', 'check', table_name, constraint_name, check_clause)
    FROM information_schema.check_constraints WHERE constraint_schema = database()
UNION ALL SELECT concat_ws(',', 'trigger', event_object_table, trigger_name)
    FROM information_schema.triggers WHERE trigger_schema = database()
UNION ALL SELECT concat_ws(',', 'routine', routine_name)
    FROM information_schema.routines WHERE routine_schema = database()
UNION ALL SELECT concat_ws(',', 'schema', default_collation_name)
    FROM information_schema.schemata WHERE schema_name = database()
"""
_OTHER_CONNECTIONS = """
SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()
"""
_NUMBERED = """
SELECT table_name, auto_increment > 1 FROM information_schema.tables
WHERE table_schema = database() AND table_type = 'BASE TABLE'
"""


def mariadb_binary(name: str) -> str | None:
    """Return the path of a MariaDB program: on the PATH, or where Debian keeps its servers."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


class MariaDB:
    """A server on loopback that can be stopped, killed and started again on the same files.

    Args:
        folder: where its files are to be. It must be empty.
        options: further ones of `mariadbd`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._port = free_port()
        self.url = f"mysql+pymysql://root@127.0.0.1:{self._port}/mysql"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._as_mysql: list[str] = []
        if os.geteuid() == 0:  # else it runs as the one who started it
            self._as_mysql = ["--user=mysql"]
            self.own(folder)
        install = mariadb_binary("mariadb-install-db")
        assert install is not None
        installed = subprocess.run(
            [
                install,
                "--no-defaults",
                f"--datadir={self.data}",
                f"--tmpdir={folder}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *SMALL,
                *self._as_mysql,
            ],
            capture_output=True,
            text=True,
            cwd=folder,
        )
        assert installed.returncode == 0, installed.stdout[-2000:] + installed.stderr[-2000:]

    def own(self, path: Path) -> None:
        """Give a file or a folder to the server, if it runs as a user of its own."""
        if self._as_mysql:
            shutil.chown(path, "mysql", "mysql")

    def start(self, *under: str) -> None:
        """Return when it accepts connections.

        Args:
            under: a command that runs the server, such as strace with its options.
        """
        server = mariadb_binary("mariadbd")
        assert server is not None
        command = [
            *under,
            server,
            "--no-defaults",
            *self._as_mysql,
            f"--datadir={self.data}",
            f"--tmpdir={self.folder}",
            f"--port={self._port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            "--skip-name-resolve",
            *SMALL,
            *self._options,
        ]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self.wait_until_it_accepts()

    def wait_until_it_accepts(self) -> None:
        engine = create_engine(self.url, poolclass=NullPool, connect_args={"connect_timeout": 2})
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                engine.connect().close()
                return
            except OperationalError:
                log = (self.folder / "log").read_text(errors="replace")
                assert time.monotonic() < deadline, log[-2000:]
                time.sleep(0.02)

    def connect(self) -> Any:
        """Return PyMySQL's connection of root, which autocommits."""
        import pymysql

        return pymysql.connect(
            host="127.0.0.1", port=self._port, user="root", autocommit=True, connect_timeout=2
        )

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.server_pid(), number)

    def server_pid(self) -> int:
        """Return the process of the server itself, also where it runs under another command."""
        return int((self.folder / "pid").read_text())

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            self._process.wait(START_SECONDS)

    def kill(self) -> None:
        """End it at once, with no time to write anything."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(START_SECONDS)


@contextmanager
def running_mariadb(
    *options: str, where: str | None = None, under: tuple[str, ...] = ()
) -> Iterator[MariaDB]:
    """Run a new server. Its databases are latin1, as MariaDB has them until version 11.6."""
    folder = Path(tempfile.mkdtemp(prefix="tcs_events_mariadb_", dir=where))
    try:
        server = MariaDB(folder, *options)
        try:
            server.start(*under)
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


@contextmanager
def mariadb_server(where: str | None = None) -> Iterator[str]:
    """Run a new MariaDB on loopback; give the URL of its own database.

    It syncs as ever, and does not wait for a disk where its files are in memory.

    Args:
        where: the folder for its files. In memory by default, where that is possible.
    """
    with running_mariadb(where=where or memory_folder()) as server:
        yield server.url


class MariaDatabase:
    """A database that tests use one after the other, each of which finds it empty.

    The tables of a test wait in a database of their own for the next test that needs them. Where
    anything but rows has changed, the database is dropped, and the next test gets a new one.
    """

    def __init__(self, server_url: str, name: str) -> None:
        self._server = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._name = name
        self._count = 0
        self._open: Engine | None = None
        self._waiting: dict[TableNames, str] = {}  # databases of tables that wait
        self._tables: TableNames | None = None  # the ones that are in use
        self._fingerprint: list[str] = []

    def lend(self) -> str:
        """Return the URL of the database, with no table in it. It is cleaned of the last test."""
        if self._open is not None:
            try:
                is_clean = self._clean(self._open)
            except DBAPIError:  # dropped, or closed to us
                is_clean = False
            if not is_clean:
                self._drop_open()
        if self._open is None:
            self._count += 1
            name = f"{self._name}_{self._count}"
            with self._server.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            url = self._server.url.set(database=name)
            self._open = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
            with self._open.connect() as connection:
                self._fingerprint = _items(connection)
        return self._open.url.render_as_string(hide_password=False)

    def is_at(self, url: str) -> bool:
        return self._open is not None and self._open.url.database == make_url(url).database

    def make_tables(self, names: TableNames, create_all: Callable[[], None]) -> None:
        """Make the tables: from the database where they wait, or the first time by `create_all`."""
        assert self._open is not None
        with self._open.connect() as connection:
            if self._tables is not None or _items(connection) != self._fingerprint:
                create_all()
                return
            if (waiting := self._waiting.pop(names, None)) is not None:
                _move(connection, names, waiting, str(self._open.url.database))
                connection.execute(text(f"DROP DATABASE {waiting}"))
            else:
                create_all()
            self._tables = names
            self._fingerprint = _items(connection)

    def drop(self) -> None:
        """Drop the database and the tables that wait."""
        self._drop_open()
        with self._server.connect() as connection:
            for waiting in self._waiting.values():
                connection.execute(text(f"DROP DATABASE IF EXISTS {waiting}"))
        self._waiting.clear()

    def _drop_open(self) -> None:
        if self._open is None:
            return
        name, self._open, self._tables = self._open.url.database, None, None
        with self._server.connect() as connection:
            for row in connection.execute(
                text("SELECT id FROM information_schema.processlist WHERE db = :name"),
                {"name": name},
            ).all():
                _kill(connection, row.id)
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))

    def _clean(self, engine: Engine) -> bool:
        """Empty the database; return whether it is as it was when it was lent."""
        with engine.connect() as connection:
            connection.execute(text(f"SET lock_wait_timeout = {LOCK_SECONDS}"))
            for row in connection.execute(text(_OTHER_CONNECTIONS)).all():
                _kill(connection, row.id)
            if _items(connection) != self._fingerprint:
                return False
            if self._tables is not None:
                _empty_tables(connection)
                self._count += 1
                waiting = f"{self._name}_{self._count}_waiting"
                connection.execute(text(f"CREATE DATABASE {waiting}"))
                _move(connection, self._tables, str(engine.url.database), waiting)
                self._waiting[self._tables] = waiting
                self._tables = None
                self._fingerprint = _items(connection)
            return True


def _items(connection: Connection) -> list[str]:
    return sorted(str(item) for item in connection.scalars(text(_ITEMS)))


def _kill(connection: Connection, number: int) -> None:
    with contextlib.suppress(DBAPIError):  # it has ended by itself
        connection.execute(text(f"KILL {number}"))


def _move(connection: Connection, names: TableNames, source: str, target: str) -> None:
    moves = ", ".join(f"{source}.{name} TO {target}.{name}" for name in sorted(names))
    connection.execute(text(f"RENAME TABLE {moves}"))


def _empty_tables(connection: Connection) -> None:
    for name, is_numbered in connection.execute(text(_NUMBERED)).all():
        if is_numbered or connection.scalar(text(f"SELECT 1 FROM {name} LIMIT 1")):
            connection.execute(text(f"TRUNCATE {name}"))


_shared: MariaDatabase | None = None


def shared_mariadb(server_url: str) -> MariaDatabase:
    """Return the database that the tests of this process share."""
    global _shared
    if _shared is None:
        _shared = MariaDatabase(server_url, f"tcs_events_test_{os.getpid()}")
    return _shared


def lent_mariadb(url: str) -> MariaDatabase | None:
    """Return the shared database if it is the one at this URL."""
    return _shared if _shared is not None and _shared.is_at(url) else None


def forget_mariadb() -> None:
    """Drop the database that the tests share."""
    global _shared
    if _shared is not None:
        _shared.drop()
        _shared = None
