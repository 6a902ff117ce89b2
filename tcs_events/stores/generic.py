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
        self._id = unique_id(table)

    def write(self, events: Sequence[Record], deadline: float) -> list[Result]:
        """Write events in one transaction."""
        with self._engine.begin() as connection:
            return [self._insert(connection, event._asdict()) for event in events]

    def _insert(self, connection: Connection, row: dict[str, Any]) -> Outcome:
        insert_ignoring = _INSERT_WITH_CONFLICT.get(connection.dialect.name)
        if insert_ignoring is None:
            return self._insert_or_look(connection, row)
        statement = insert_ignoring(self._table).on_conflict_do_nothing(index_elements=[self._id])
        # RETURNING gives a row for what was stored; the row count of a driver may be -1 here.
        stored = connection.execute(statement.returning(self._id), row).first()
        return Outcome.ACCEPTED if stored is not None else Outcome.DUPLICATE

    def _insert_or_look(self, connection: Connection, row: dict[str, Any]) -> Outcome:
        """Insert on a database whose conflict clause we do not speak."""
        same_id = select(self._table.c.id).where(self._id == row[self._id.name])
        try:
            with connection.begin_nested():
                connection.execute(insert(self._table), row)
        except exc.IntegrityError:
            if connection.execute(same_id).first() is None:
                raise
            return Outcome.DUPLICATE
        return Outcome.ACCEPTED
