"""Events into any other database or driver SQLAlchemy speaks to, and into SQLite in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Table, exc, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from tcs_events.event import Outcome, Record
from tcs_events.stores.connection import OwnConnection
from tcs_events.stores.contract import Result
from tcs_events.stores.tables import unique_id

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

    def is_idle(self) -> bool:
        """Return true: the host's pool sees to its connections."""
        return True

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
    # RETURNING gives a row for what was stored; the row count of a driver may be -1 here.
    stored = connection.execute(statement.returning(record_id), row).first()
    return Outcome.ACCEPTED if stored is not None else Outcome.DUPLICATE


def _insert_or_look(connection: Connection, table: Table, row: dict[str, Any]) -> Outcome:
    """Insert on a database whose conflict clause we do not speak."""
    record_id = unique_id(table)
    same_id = select(table.c.id).where(record_id == row[record_id.name])
    try:
        with connection.begin_nested():
            connection.execute(insert(table), row)
    except exc.IntegrityError:
        if connection.execute(same_id).first() is None:
            raise
        return Outcome.DUPLICATE
    return Outcome.ACCEPTED
