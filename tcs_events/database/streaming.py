"""Reads all rows of a query without having them all in memory."""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Connection, CursorResult, Select

FETCH_ROWS = 2_000
Columns = TypeVarTuple("Columns")


def stream(connection: Connection, query: Select[*Columns]) -> CursorResult[*Columns]:
    """Execute a query with at most `FETCH_ROWS` of its rows in memory at once.

    On PostgreSQL this uses a server-side cursor, so the connection must be in a transaction. Use
    the result in a `with` block: on SQLite an unfinished result keeps an old snapshot of the
    database.
    """
    if connection.dialect.name == "postgresql":
        # PostgreSQL assumes that only the first tenth of a cursor's rows is read. It then walks the
        # whole table in the requested order instead of finding the rows of a day and sorting them:
        # https://www.postgresql.org/docs/current/runtime-config-query.html
        connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")
    return connection.execute(query, execution_options={"yield_per": FETCH_ROWS})
