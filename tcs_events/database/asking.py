"""Short queries that are not about events, with a limit on how long anyone waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.database import mysql
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.in_thread import InThread
from tcs_events.errors import StoreUnavailable

T = TypeVar("T")

LOCK_MS = 200
"""How long a query waits for a lock. It is short, because a thread that waits inside SQLite cannot
be stopped."""
OPEN_SECONDS = 0.2
"""How long a new query waits for an earlier one to end."""
ABANDONED_SECONDS = 30.0
"""After this time an unanswered query no longer blocks new ones."""


class Asker:
    """Runs one query at a time, each in its own thread.

    So a database that hangs blocks only one thread and one connection of the host's pool, however
    many requests want an answer.
    """

    def __init__(self) -> None:
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._query: InThread[Any] | None = None

    def ask(self, seconds: float, function: Callable[[], T]) -> T:
        """Return what `function` returns.

        Raises:
            StoreUnavailable: it took longer than `seconds`, or an earlier query has not ended.
            Exception: what `function` raises.
        """
        ensure_own_state()
        query = InThread(function)
        try:
            with self._lock:
                self._wait_for_earlier(seconds)
                self._query = query
            # Outside the lock, because gevent runs other greenlets while a thread starts.
            query.start()
        except BaseException as error:
            if self._query is query:
                self._query = None  # a query that never started must not block later ones
            if isinstance(error, RuntimeError):  # Python starts no threads at interpreter exit
                return function()
            raise
        if not query.is_done(seconds):
            raise StoreUnavailable("Timeout")
        return query.result()

    def _wait_for_earlier(self, seconds: float) -> None:
        earlier = self._query
        if earlier is None or monotonic() - earlier.made_at > ABANDONED_SECONDS:
            return
        # The request that asked may have been interrupted. The answer may then come soon.
        if not earlier.is_done(min(seconds, OPEN_SECONDS)):
            raise StoreUnavailable("Timeout")


@contextmanager
def briefly(engine: Engine, statement_ms: int) -> Iterator[Connection]:
    """Yield a connection from the host's pool, in a transaction with short waiting times.

    The transaction is committed at the end. The connection is returned with its old settings.

    Args:
        engine: the host's engine.
        statement_ms: the longest time of a statement on a server, in milliseconds. On SQLite
            only waiting for locks is limited, to `LOCK_MS`.
    """
    with engine.connect() as connection, _limited(connection, statement_ms):
        before_ms = None
        if engine.dialect.name == "sqlite":
            before_ms = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {LOCK_MS}")
            # SQLAlchemy has begun a transaction for the PRAGMA. End it: the caller begins its own.
            connection.rollback()
        elif engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {statement_ms}")
        try:
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            if before_ms is not None:
                connection.execute(sa.text(f"PRAGMA busy_timeout = {before_ms}"))


@contextmanager
def _limited(connection: Connection, statement_ms: int) -> Iterator[None]:
    """Limit the time of statements on MariaDB and MySQL, which have no `SET LOCAL`."""
    if not mysql.is_mysql(connection.dialect):
        yield
        return
    seconds = max(1, statement_ms // 1000)
    limits = mysql.time_limit(connection.dialect, statement_ms)
    limits |= {"innodb_lock_wait_timeout": seconds, "lock_wait_timeout": seconds}
    with mysql.with_variables(connection, **limits):
        yield
