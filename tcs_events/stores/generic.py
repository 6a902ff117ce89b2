"""Events into any other database or driver SQLAlchemy speaks to, and into SQLite in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any

from sqlalchemy import Connection, Engine, Table, exc, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from tcs_events.database.connection import OwnConnection
from tcs_events.database.problems import NOT_KEPT, filled_in
from tcs_events.database.stored_json import insert_values
from tcs_events.errors import StoreUnavailable
from tcs_events.event import Outcome, Record
from tcs_events.stores.columns import data_columns, unique_id
from tcs_events.stores.contract import Result

_INSERT_WITH_CONFLICT: dict[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class GenericCommitter:
    """Writes groups of events, row by row, on connections of the host's pool."""

    max_committers = 1
    own: OwnConnection | None = None

    def __init__(self, engine: Engine, table: Table) -> None:
        self._engine = engine
        self._table = table

    def connection(self, deadline: float) -> None:
        """Return nothing: it has none of its own."""

    def problem(self) -> None:
        """Return nothing: what is wrong only the server knows."""

    def write(self, events: Sequence[Record], deadline: float) -> list[Result]:
        """Write events in one transaction."""
        with self._engine.begin() as connection:
            return [insert_once(connection, self._table, event._asdict()) for event in events]


def insert_once(connection: Connection, table: Table, row: dict[str, Any]) -> Outcome:
    """Insert a row unless there is one of its id, in the transaction of the connection."""
    insert_ignoring = _INSERT_WITH_CONFLICT.get(connection.dialect.name)
    if insert_ignoring is None:
        return _insert_or_look(connection, table, row)
    record_id = unique_id(table)
    statement = insert_ignoring(table).on_conflict_do_nothing(index_elements=[record_id])
    statement = statement.values(insert_values(table, row, connection.dialect.name))
    # RETURNING gives a row for what was stored; the row count of a driver may be -1 here.
    if connection.execute(statement.returning(record_id), row).first() is not None:
        return Outcome.ACCEPTED
    same_id = select(record_id).where(record_id == row[record_id.name])
    if connection.execute(same_id).first() is None:
        raise not_kept(table)
    return Outcome.DUPLICATE


def explain_insert(connection: Connection, table: Table) -> None:
    """Have the database look at the statement that stores a row, without running it.

    Raises:
        sqlalchemy.exc.DBAPIError: it would fail, for want of a column, a right or uniqueness.
    """
    insert_ignoring = _INSERT_WITH_CONFLICT.get(connection.dialect.name)
    if insert_ignoring is None:
        return
    names = [column.name for column in data_columns(table)]
    statement = insert_ignoring(table).on_conflict_do_nothing(index_elements=[unique_id(table)])
    compiled = statement.compile(dialect=connection.dialect, column_keys=names)
    empty: Any = dict.fromkeys(names) if compiled.positiontup is None else (None,) * len(names)
    # The driver keeps statements by their text, and an old plan of SQLite's says nothing new.
    connection.exec_driver_sql(f"EXPLAIN {compiled} -- {perf_counter_ns()}", empty)


def not_kept(table: Table) -> StoreUnavailable:
    """Return the error for a row that the database took and does not have."""
    problem = filled_in(NOT_KEPT, table=table.name)
    return StoreUnavailable("NotKept", problem.remedy)


def _insert_or_look(connection: Connection, table: Table, row: dict[str, Any]) -> Outcome:
    """Insert on a database whose conflict clause we do not speak."""
    record_id = unique_id(table)
    same_id = select(table.c.id).where(record_id == row[record_id.name])
    try:
        with connection.begin_nested():
            values = insert_values(table, row, connection.dialect.name)
            connection.execute(insert(table).values(values), row)
    except exc.IntegrityError:
        if connection.execute(same_id).first() is None:
            raise
        return Outcome.DUPLICATE
    return Outcome.ACCEPTED
