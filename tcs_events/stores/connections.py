"""The connections of one app that events are written on: how many, and how long they stay open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Engine, ExceptionContext, Table, event

from tcs_events.database import mysql
from tcs_events.database.connection import OwnConnection
from tcs_events.database.pools import is_lasting
from tcs_events.database.problems import NO_CONNECTION, Problem
from tcs_events.database.sqlite_journal import Journal
from tcs_events.database.troubles import problem_of
from tcs_events.event import Record
from tcs_events.settings import Settings
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import GenericCommitter, GenericConnection
from tcs_events.stores.lanes import Lanes
from tcs_events.stores.mariadb import MariaCommitter, MariaConnection
from tcs_events.stores.postgresql import PostgresCommitter, PostgresConnection
from tcs_events.stores.postgresql_drivers import DRIVERS
from tcs_events.stores.sqlite import SqliteCommitter
from tcs_events.stores.sqlite_connection import SqliteConnection

MAX_CONNECTIONS = 2
"""One can work while the other waits for the disk. More gain nothing (measured)."""


class Committer(Protocol):
    """Writes the records of one table on one connection. Errors of the driver stay as they are."""

    @property
    def own(self) -> OwnConnection | None: ...

    def connection(self, deadline: float) -> Any: ...

    def problem(self) -> Problem | None: ...

    def write(self, events: Sequence[Record], deadline: float) -> list[Result]: ...


class Kind(NamedTuple):
    """What serves one kind of database."""

    connection: Callable[[Engine, Settings], Any]
    """Makes a connection, which is opened when it is first needed, and serves all tables."""
    committer: Callable[[Any, Table], Committer]
    """Makes what writes the records of one table on such a connection."""
    max_connections: int


SQLITE = Kind(SqliteConnection, SqliteCommitter, 1)  # a file has one writer at a time
POSTGRESQL = Kind(PostgresConnection, PostgresCommitter, MAX_CONNECTIONS)
MARIADB = Kind(MariaConnection, MariaCommitter, MAX_CONNECTIONS)
OTHER = Kind(GenericConnection, GenericCommitter, 1)


def kind_of(engine: Engine, schema: str | None) -> Kind:
    """Return what serves this database by this driver, for tables in this schema."""
    match engine.dialect.name, engine.dialect.driver:
        # With SQLite a schema is another file, which the host has attached and writes as it likes.
        case "sqlite", _ if is_lasting(engine) and schema is None:
            return SQLITE
        case "postgresql", driver if driver in DRIVERS:
            return POSTGRESQL
        case "mysql" | "mariadb", driver if driver in mysql.DRIVERS:
            return MARIADB
    return OTHER


class WriteConnections:
    """All of an app's connections that events are written on. Its tables share them.

    They are closed when nobody has used them for a while, when the host disposes of its engine, and
    when the server has no connection left for the host.

    Args:
        engine: the host's engine, which makes them. None of them counts towards its pool.
        settings: the app's settings.
        schema: where our tables are. None is the default schema.
    """

    def __init__(self, engine: Engine, settings: Settings, schema: str | None = None) -> None:
        self._kind = kind_of(engine, schema)
        self.each = [
            self._kind.connection(engine, settings) for _ in range(self._kind.max_connections)
        ]
        """The connections, which may be open or not."""
        self.lanes = Lanes([connection.own for connection in self.each])
        event.listen(engine, "engine_disposed", lambda engine: self.lanes.close_free())
        event.listen(engine, "handle_error", self._make_room)

    def _make_room(self, context: ExceptionContext) -> None:
        """Give up what nobody uses just now, if the server accepts no more connections."""
        problem = problem_of(context.original_exception)
        # The remedies differ: the limit may be the server's or the user's.
        is_full = problem is not None and problem.problem == NO_CONNECTION.problem
        if context.connection is None and is_full:
            self.lanes.close_free()

    def committers(self, table: Table) -> list[Committer]:
        """Return what writes the records of a table, one for each connection."""
        return [self._kind.committer(connection, table) for connection in self.each]

    @property
    def journal(self) -> Journal | None:
        """The journal of the SQLite file, as of the connection that was opened last. Else None."""
        [connection, *_] = self.each
        return connection.journal if isinstance(connection, SqliteConnection) else None

    def close(self) -> None:
        """Close them all, whoever uses them."""
        for connection in self.each:
            if connection.own is not None:
                connection.own.drop()
