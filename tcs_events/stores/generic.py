"""Stores events in any other database that SQLAlchemy supports, and in SQLite in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Table,
    Uuid,
    exc,
    false,
    insert,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from tcs_events.database import mysql
from tcs_events.database.connection import OwnConnection
from tcs_events.database.problems import NOT_KEPT, filled_in
from tcs_events.database.schemas import in_its_schema
from tcs_events.database.stored_json import insert_values
from tcs_events.errors import StoreUnavailable
from tcs_events.event import Outcome, Record
from tcs_events.settings import Settings
from tcs_events.stores.columns import data_columns, unique_id
from tcs_events.stores.contract import Result
from tcs_events.strict_json import loads

_INSERT_WITH_CONFLICT: dict[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class GenericConnection:
    """Stands for the connections of the host's pool: this kind of database gets none of our own."""

    own: OwnConnection | None = None

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine


class GenericCommitter:
    """Writes groups of events row by row, on connections from the host's pool."""

    own: OwnConnection | None = None

    def __init__(self, connection: GenericConnection, table: Table) -> None:
        self._engine = connection.engine
        self._table = table
        self._columns = data_columns(table)

    def connection(self, deadline: float) -> None:
        """Return None: this committer has no connection of its own."""

    def problem(self) -> None:
        """Return None: only the server can tell whether something is wrong."""

    def write(self, events: Sequence[Record], deadline: float) -> list[Result]:
        """Write the events in one transaction, and return one result for each."""
        with self._engine.begin() as connection:
            return [insert_once(connection, self._table, self._values(event)) for event in events]

    def _values(self, record: Record) -> dict[str, Any]:
        """Return the values of a record as SQLAlchemy's types take them."""
        return {
            column.name: _python_value(column, value)
            for column, value in zip(self._columns, record, strict=True)
        }


def _python_value(column: Column[object], value: Any) -> Any:
    if isinstance(column.type, Uuid):
        return UUID(value)
    return loads(value) if isinstance(column.type, JSON) else value


def insert_once(connection: Connection, table: Table, row: dict[str, Any]) -> Outcome:
    """Insert a row in the connection's transaction, unless its id is already stored.

    Raises:
        StoreUnavailable: the database reported no error, but the row is not there.
    """
    insert_ignoring = _INSERT_WITH_CONFLICT.get(connection.dialect.name)
    if insert_ignoring is None:
        return _insert_or_find(connection, table, row)
    record_id = unique_id(table)
    statement = insert_ignoring(table).on_conflict_do_nothing(index_elements=[record_id])
    statement = statement.values(insert_values(table, row, connection.dialect.name))
    # RETURNING gives a row if the insert stored one. The driver's row count may be -1 here.
    if connection.execute(statement.returning(record_id), row).first() is not None:
        return Outcome.ACCEPTED
    same_id = select(record_id).where(record_id == row[record_id.name])
    if connection.execute(same_id).first() is None:
        raise not_kept(table)
    return Outcome.DUPLICATE


def explain_insert(connection: Connection, table: Table) -> None:
    """Have the database plan the statement that stores a row. Nothing is written.

    Raises:
        sqlalchemy.exc.DBAPIError: the statement would fail, because a column, a privilege or the
            unique constraint is missing.
    """
    if mysql.is_mysql(connection.dialect):
        _insert_nothing(connection, table)
        return
    insert_ignoring = _INSERT_WITH_CONFLICT.get(connection.dialect.name)
    if insert_ignoring is None:
        return
    names = [column.name for column in data_columns(table)]
    table = in_its_schema(connection, table)
    record_id = unique_id(table)
    statement = insert_ignoring(table).on_conflict_do_nothing(index_elements=[record_id])
    # The store returns only this. Without it, SQLAlchemy would return the row's own id.
    compiled = statement.returning(record_id).compile(dialect=connection.dialect, column_keys=names)
    empty: Any = dict.fromkeys(names) if compiled.positiontup is None else (None,) * len(names)
    # The comment makes each statement's text unique. Python's sqlite3 caches statements by their
    # text, and a cached one is not planned again.
    connection.exec_driver_sql(f"EXPLAIN {compiled} -- {perf_counter_ns()}", empty)


def _insert_nothing(connection: Connection, table: Table) -> None:
    """Run an INSERT of no rows. Unlike an EXPLAIN, it fails on a server that is read-only."""
    columns = data_columns(table)
    nulls: list[Any] = [literal_column("NULL") for _ in columns]
    no_rows = select(*nulls).where(false())
    connection.execute(insert(table).from_select(columns, no_rows, include_defaults=False))


def not_kept(table: Table) -> StoreUnavailable:
    """Return the error for a row that is missing although the database reported no error."""
    problem = filled_in(NOT_KEPT, table=table.name)
    return StoreUnavailable("NotKept", problem.remedy)


def _insert_or_find(connection: Connection, table: Table, row: dict[str, Any]) -> Outcome:
    """Insert a row on a database for which we have no ON CONFLICT clause."""
    record_id = unique_id(table)
    same_id = select(table.c.id).where(record_id == row[record_id.name])
    try:
        # In a savepoint, because on some databases a failed statement ends the whole transaction.
        with connection.begin_nested():
            values = insert_values(table, row, connection.dialect.name)
            connection.execute(insert(table).values(values), row)
    except exc.IntegrityError:
        if connection.execute(same_id).first() is None:
            raise
        return Outcome.DUPLICATE
    return Outcome.ACCEPTED
