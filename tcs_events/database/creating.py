"""Lets several processes call `create_all` at the same moment, as the workers of a server do.

SQLAlchemy looks which tables are missing, and then creates them. If another process has created
them in between, CREATE TABLE fails, and the process does not start. So one process at a time
creates tables, and looks again before it begins.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table, event, exc
from sqlalchemy.sql.ddl import DDLIf

from tcs_events.database.schemas import schema_of
from tcs_events.database.sqlite_file import is_in_memory

SECONDS = 10.0
"""How long to wait for another process. After that the tables are created all the same."""
PAUSE_SECONDS = 0.02
LOCK_NAME = "tcs_events create_all"
LOCK_NUMBER = 0x7463735F6576  # "tcs_ev": advisory locks of PostgreSQL are numbers
_SKIP = DDLIf(None, lambda *arguments, **options: False, None)


def create_one_at_a_time(metadata: MetaData) -> None:
    """Make `create_all` of this metadata safe in several processes, the host's tables included."""
    if not event.contains(metadata, "before_create", _begin):
        event.listen(metadata, "before_create", _begin)
        event.listen(metadata, "after_create", _end)


def _begin(
    metadata: MetaData, connection: Any, tables: Sequence[Table], checkfirst: Any, **options: Any
) -> None:
    # A mock connection only writes down what would be done.
    if not checkfirst or not tables or not isinstance(connection, Connection):
        return
    _lock(connection)
    inspector = sa.inspect(connection)
    for schema in {schema_of(connection, table) for table in tables}:
        there = set(inspector.get_table_names(schema))
        for table in tables:
            if schema_of(connection, table) == schema and table.name in there:
                _mark(table, None, _SKIP)


def _end(metadata: MetaData, connection: Any, tables: Iterable[Table], **options: Any) -> None:
    for table in tables or ():
        _mark(table, _SKIP, None)
    if isinstance(connection, Connection) and connection.dialect.name in ("mysql", "mariadb"):
        # A lock of the connection: the other databases let go with the transaction.
        connection.execute(sa.text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK_NAME}).all()


def _mark(table: Table, before: DDLIf | None, after: DDLIf | None) -> None:
    """Let the statements that create a table be skipped, or no longer."""
    items: list[Any] = [table, *table.indexes, *table.foreign_key_constraints]
    for item in items:
        if getattr(item, "_ddl_if", None) is before:
            item._ddl_if = after


def _lock(connection: Connection) -> None:
    """Wait for the other processes that create tables, until the end of our transaction."""
    match connection.dialect.name:
        case "sqlite":
            driver: Any = connection.connection.dbapi_connection
            if is_in_memory(connection.engine.url) or driver.in_transaction:
                return
            # An error means that the host's own limit on waiting for a lock is over.
            with contextlib.suppress(exc.OperationalError):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        case "postgresql":
            deadline = time.monotonic() + SECONDS
            query = sa.select(sa.func.pg_try_advisory_xact_lock(LOCK_NUMBER))
            while not connection.scalar(query) and time.monotonic() < deadline:
                time.sleep(PAUSE_SECONDS)
        case "mysql" | "mariadb":
            query = sa.select(sa.func.get_lock(LOCK_NAME, SECONDS))
            connection.scalar(query)
