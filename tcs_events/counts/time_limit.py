"""Limits how long a question may take. The host's connection is the same as before afterwards."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.database import mysql
from tcs_events.database.troubles import sqlstate_of

INSTRUCTIONS = 10_000
"""How many virtual machine instructions SQLite runs between two checks of the time. They take less
than a millisecond."""
QUERY_CANCELED = "57014"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
MYSQL_OUT_OF_TIME = (1969, 3024)  # of MariaDB and of MySQL
UNTIL = "tcs_events_until"
"""The execution option with the end of the time limit, in `monotonic()` seconds. It belongs to one
`Connection` object, so the next user of the pooled connection does not see it."""


T = TypeVar("T")


class OutOfTime(Exception):
    """A question took longer than its time limit."""


@contextmanager
def ended_at(connection: Connection, until: float | None) -> Iterator[None]:
    """Stop the queries of a new connection at a `monotonic()` time; never if it is None.

    Raises:
        OutOfTime: the time is over.
    """
    if until is None:
        yield
        return
    check_time(until)
    connection.execution_options(**{UNTIL: until})
    try:
        if connection.dialect.name == "sqlite":
            with _interrupted_at(connection, until):
                yield
        elif mysql.is_mysql(connection.dialect):
            limit = mysql.time_limit(connection.dialect, int((until - monotonic()) * 1000))
            with mysql.with_variables(connection, **limit):
                yield
        else:
            if connection.dialect.name == "postgresql":
                limit_ms = max(1, int((until - monotonic()) * 1000))
                connection.execute(sa.text(f"SET LOCAL statement_timeout = {limit_ms}"))
            yield
    except sa.exc.DBAPIError as error:
        if _was_ended(error):
            raise OutOfTime from error
        raise


def time_of(connection: Connection) -> float | None:
    """Return the end of a connection's time limit in `monotonic()` seconds, None for no limit."""
    until: float | None = connection.get_execution_options().get(UNTIL)
    return until


def in_time(connection: Connection, rows: Iterable[T]) -> Iterator[T]:
    """Yield rows until the time is over. The limit includes the Python code that uses the rows.

    Raises:
        OutOfTime: the time limit of the connection is over. Never without a limit.
    """
    until = time_of(connection)
    for row in rows:
        check_time(until)
        yield row


def check_time(until: float | None) -> None:
    """Raise `OutOfTime` if it is later than a `monotonic()` time; never if that is None."""
    if until is not None and monotonic() > until:
        raise OutOfTime


@contextmanager
def _interrupted_at(connection: Connection, until: float) -> Iterator[None]:
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    # A database in memory has one connection for all threads: only stop this thread's statements.
    our_thread = threading.get_ident()

    def is_over() -> bool:
        return monotonic() > until and threading.get_ident() == our_thread

    driver.set_progress_handler(is_over, INSTRUCTIONS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _was_ended(error: sa.exc.DBAPIError) -> bool:
    driver_error = error.orig
    if isinstance(driver_error, sqlite3.Error):
        return getattr(driver_error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    if mysql.code_of(driver_error) in MYSQL_OUT_OF_TIME:
        return True
    return sqlstate_of(error) == QUERY_CANCELED
