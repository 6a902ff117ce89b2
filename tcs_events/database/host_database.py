"""The host's database, for everything that does not store events: reports, commands, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import Engine, Table, exc, inspect

from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.pools import leave_pool_of_parent
from tcs_events.database.schemas import (
    full_name,
    has_table,
    missing_tables,
    place_tables,
    schema_of,
)
from tcs_events.database.transactions import with_transactions
from tcs_events.errors import StoreUnavailable, TableMissing

T = TypeVar("T")

CHECK_SECONDS = 0.5
"""How long a look at the database's tables may take."""


class HostDatabase:
    """The host's database, by the host's own connection pool.

    Args:
        engine: the host's engine.
        schema: where our tables are. None is the default schema.
    """

    def __init__(self, engine: Engine, schema: str | None = None) -> None:
        self.hosts_engine = engine
        """The host's engine as it is."""
        place_tables(engine, schema)
        self._engine = with_transactions(engine)
        in_each_child(self._leave_pool_of_parent)

    def _leave_pool_of_parent(self) -> None:
        leave_pool_of_parent(self._engine)

    @property
    def engine(self) -> Engine:
        """The host's pool. Its connections begin a transaction even if the host's autocommit.

        Events are written on separate connections.
        """
        ensure_own_state()
        return self._engine

    @property
    def address(self) -> str:
        """The URL of the database, without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    def missing_tables(self, tables: Iterable[Table]) -> list[str]:
        """Return the full names of those of our tables that the database lacks.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        return _look(lambda: missing_tables(self.engine, tables))

    def has_table(self, table: Table) -> bool:
        """Return whether the database has a table of ours.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        return _look(lambda: has_table(self.engine, table))

    def missing_columns(self, table: Table) -> list[str]:
        """Return the names of the columns that a table of ours lacks in the database.

        Raises:
            TableMissing: the database has no such table.
            StoreUnavailable: the database does not answer.
        """
        if not self.has_table(table):
            raise TableMissing(full_name(self.engine, table))
        schema = schema_of(self.engine, table)
        try:
            columns = _look(lambda: inspect(self.engine).get_columns(table.name, schema))
        except exc.NoSuchTableError:
            raise TableMissing(full_name(self.engine, table)) from None
        names = {column["name"] for column in columns}
        return [column.name for column in table.columns if column.name not in names]


def _look(look: Callable[[], T]) -> T:
    try:
        return run_with_timeout(CHECK_SECONDS, look)
    except (exc.DBAPIError, exc.TimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from None
