"""Events in the host's own database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, Table, exc, insert, inspect, select
from sqlalchemy.dialects import postgresql, sqlite

from tcs_events.errors import EventInvalid, StoreUnavailable, TableMissing
from tcs_events.event import Event, Outcome

_INSERT_WITH_CONFLICT: dict[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class SqlStore:
    """Writes on a connection and in a transaction of its own.

    The host's session is never used: what the host has pending is not committed with an event, and
    a rollback of the host takes no event away.
    """

    def __init__(self, engine: Engine, table: Table) -> None:
        self._engine = engine
        self._table = table

    def append(self, events: Sequence[Event]) -> list[Outcome]:
        try:
            with self._engine.begin() as connection:
                return [self._insert(connection, asdict(event)) for event in events]
        except exc.DataError:
            # The value was refused, not the moment: sending it again would never help.
            raise EventInvalid({"_schema": ["The database does not take this value."]}) from None
        except (exc.DBAPIError, exc.TimeoutError) as error:
            # Every database names the table it misses; only then is it worth a second question.
            if self._table.name in str(error) and not self.has_table():
                raise TableMissing(self._table.name) from None
            raise StoreUnavailable(type(error).__name__) from None

    def has_table(self) -> bool:
        """Return whether the database has our table.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            return inspect(self._engine).has_table(self._table.name, self._table.schema)
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from None

    def missing_columns(self) -> list[str]:
        """Return the columns that our table has and the database's has not.

        Raises:
            TableMissing: it has no such table.
            StoreUnavailable: the database does not answer.
        """
        if not self.has_table():
            raise TableMissing(self._table.name)
        found = inspect(self._engine).get_columns(self._table.name, self._table.schema)
        names = {column["name"] for column in found}
        return [column.name for column in self._table.columns if column.name not in names]

    @property
    def address(self) -> str:
        """The URL of the database, without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    def _insert(self, connection: Connection, row: dict[str, Any]) -> Outcome:
        dialect_insert = _INSERT_WITH_CONFLICT.get(connection.dialect.name)
        if dialect_insert is None:
            return self._insert_or_look(connection, row)
        statement = dialect_insert(self._table).on_conflict_do_nothing(index_elements=["event_id"])
        # RETURNING gives a row for what was stored; the row count of a driver may be -1 here.
        stored = connection.execute(statement.returning(self._table.c.event_id), row).first()
        return Outcome.ACCEPTED if stored is not None else Outcome.DUPLICATE

    def _insert_or_look(self, connection: Connection, row: dict[str, Any]) -> Outcome:
        """Insert on a database whose conflict clause we do not speak."""
        try:
            with connection.begin_nested():
                connection.execute(insert(self._table), row)
        except exc.IntegrityError:
            same_id = select(self._table.c.id).where(self._table.c.event_id == row["event_id"])
            if connection.execute(same_id).first() is None:
                raise
            return Outcome.DUPLICATE
        return Outcome.ACCEPTED
