"""Rows that are all read, and are not all in memory."""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Connection, CursorResult, Select

FETCH_ROWS = 2_000
Columns = TypeVarTuple("Columns")


def stream(connection: Connection, query: Select[*Columns]) -> CursorResult[*Columns]:
    """Execute a query, of whose rows at most `FETCH_ROWS` are in memory at once.

    On PostgreSQL a cursor of the server gives them, and the connection must be in a transaction.
    Use it in a `with`: on SQLite rows that are still to come hold the connection in the past.
    """
    if connection.dialect.name == "postgresql":
        # It takes a cursor for a look at the first tenth of the rows, and then would rather walk a
        # whole table in the order that is asked for than find the rows of a day and sort them:
        # https://www.postgresql.org/docs/current/runtime-config-query.html
        connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")
    return connection.execute(query, execution_options={"yield_per": FETCH_ROWS})
