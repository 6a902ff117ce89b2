"""How long a question may take. Nothing of it is left on the host's connection afterwards."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

INSTRUCTIONS = 10_000
"""Of SQLite's machine, between two looks at the clock: less than a millisecond."""
QUERY_CANCELED = "57014"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
UNTIL = "tcs_events_until"
"""The execution option that says until when, in `monotonic()` seconds. It ends with the
`Connection`, and is not there on the next one."""


T = TypeVar("T")


class OutOfTime(Exception):
    """It took longer than it may."""


@contextmanager
def ended_at(connection: Connection, until: float) -> Iterator[None]:
    """End what is asked on a new connection at a `monotonic()` time.

    Raises:
        OutOfTime: it would take longer.
    """
    seconds = until - monotonic()
    if seconds <= 0:
        raise OutOfTime
    connection.execution_options(**{UNTIL: until})
    try:
        if connection.dialect.name == "sqlite":
            with _interrupted_at(connection, until):
                yield
        else:
            if connection.dialect.name == "postgresql":
                limit_ms = max(1, int(seconds * 1000))
                connection.execute(sa.text(f"SET LOCAL statement_timeout = {limit_ms}"))
            yield
    except sa.exc.DBAPIError as error:
        if _was_ended(error):
            raise OutOfTime from error
        raise


def time_of(connection: Connection) -> float | None:
    """Return until when a connection may be asked, in `monotonic()` seconds; None: for ever."""
    until: float | None = connection.get_execution_options().get(UNTIL)
    return until


def in_time(connection: Connection, rows: Iterable[T]) -> Iterator[T]:
    """Give rows as long as there is time left: what is made of them in Python takes some, too.

    Raises:
        OutOfTime: there is none. Never on a connection without a limit.
    """
    until = time_of(connection)
    for row in rows:
        if until is not None and monotonic() > until:
            raise OutOfTime
        yield row


@contextmanager
def _interrupted_at(connection: Connection, until: float) -> Iterator[None]:
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    # A database in memory has one connection for all threads: only our statements are ended.
    asking = threading.get_ident()

    def is_over() -> bool:
        return monotonic() > until and threading.get_ident() == asking

    driver.set_progress_handler(is_over, INSTRUCTIONS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _was_ended(error: sa.exc.DBAPIError) -> bool:
    of_driver = error.orig
    if isinstance(of_driver, sqlite3.Error):
        return getattr(of_driver, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    code = getattr(of_driver, "sqlstate", None) or getattr(of_driver, "pgcode", None)
    return bool(code == QUERY_CANCELED)
