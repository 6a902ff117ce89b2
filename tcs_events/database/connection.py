"""Connections for our own use, opened the way the host opens its connections."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, exc

from tcs_events.database.in_thread import InThread
from tcs_events.errors import StoreUnavailable

Prepare = Callable[[Any], None]
"""Sets up a connection. It is called with the driver's connection object."""
Watch = Callable[[], AbstractContextManager[None]]
"""Makes a context in which a connection is made. It is entered in the thread that connects."""

ATTEMPT_MAX_SECONDS = 5.0
"""After this time an attempt to connect is given up, and the next request starts a new one."""
MAX_GIVEN_UP = 30
"""How many attempts that were given up may still run. Each is a thread: psycopg2 waits as long as a
stopped server says nothing. If the network is dead, the kernel ends each within minutes."""
# Keeps the parent process's connections alive in its children. If a child let Python close them,
# the server would end them for the parent too.
_connections_of_parent: list[Any] = []


class _Attempt:
    """One attempt to connect. It goes on after a request has stopped waiting for it."""

    def __init__(self, engine: Engine, prepare: Prepare, watch: Watch) -> None:
        self._engine = engine
        self._prepare = prepare
        self._watch = watch
        self._mutex = threading.Lock()
        self._driver: Any = None
        self._abandoned = False
        self.thread = InThread(self._connect, "connecting")
        self.thread.start()

    def _connect(self) -> Any:
        if isinstance(self._engine.pool, QueuePool) and self._engine.dialect.name == "sqlite":
            # An idle connection in the pool may have an old, replaced file open.
            self._engine.dispose()
        with self._watch():
            connection = self._living_connection()
        # Take it out of the pool, so that the pool's size and timeouts serve only the host.
        connection.detach()
        driver: Any = connection.connection.dbapi_connection
        try:
            # Otherwise the driver would begin transactions by itself, and keep them open.
            self._engine.dialect.set_isolation_level(driver, "AUTOCOMMIT")
            self._prepare(driver)
        except BaseException:
            driver.close()
            raise
        with self._mutex:
            self._driver = driver
            if self._abandoned:
                self._driver.close()
        return driver

    def _living_connection(self) -> Connection:
        """Return a connection that answers. Those that are idle in the pool may have died."""
        pool = self._engine.pool
        idle = pool.checkedin() if isinstance(pool, QueuePool) else 0
        for _ in range(0 if self._engine.dialect.name == "sqlite" else idle):
            connection = None
            try:
                connection = self._engine.connect()
                connection.exec_driver_sql("SELECT 1")
                connection.rollback()
                return connection
            except (exc.DBAPIError, OSError) as error:  # pg8000 raises a plain OSError at times
                if connection is not None:
                    connection.invalidate()
                    connection.close()
                elif not getattr(error, "connection_invalidated", False):
                    raise  # not even a new one can be opened
        return self._engine.connect()

    def abandon(self) -> None:
        with self._mutex:
            self._abandoned = True
            if self._driver is not None:
                self._driver.close()


class OwnConnection:
    """Opens a connection when it is first needed, and keeps it until `drop`.

    Args:
        engine: the host's engine. The connection is taken out of its pool for good.
        prepare: called with each new connection, which is in autocommit mode.
        before_close: called with a connection before it is closed.
        watch: the context in which a connection is made.
    """

    def __init__(
        self,
        engine: Engine,
        prepare: Prepare,
        before_close: Prepare = lambda driver: None,
        watch: Watch = contextlib.nullcontext,
    ) -> None:
        self._engine = engine
        self._prepare = prepare
        self._watch = watch
        self._before_close = before_close
        self.driver: Any = None
        """The driver's connection object, or None if no connection is open."""
        self.is_in_use = False
        """Whether a request is using the connection.

        If it is True when the next request takes the connection, the earlier one was interrupted,
        and its transaction may still be open.
        """
        self._attempt: _Attempt | None = None
        self._given_up: list[_Attempt] = []
        self._pid = os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether `get` returns a connection that is already open."""
        return self.driver is not None and self._pid == os.getpid()

    def get(self, deadline: float) -> Any:
        """Return the driver's connection object, and open the connection if necessary.

        Statements through SQLAlchemy's own `Connection` take several times as long as a commit.

        Raises:
            StoreUnavailable: it could not be opened before `deadline`, a `monotonic()` time.
            Exception: the error of the driver or of SQLAlchemy, if the database refuses.
        """
        if self._pid != os.getpid():
            _connections_of_parent.append((self.driver, self._attempt))
            self.driver, self._attempt, self._pid = None, None, os.getpid()
            self._given_up = []
        if self.driver is None:
            self.driver = self._connect(deadline)
        return self.driver

    def _connect(self, deadline: float) -> Any:
        attempt = self._attempt
        if attempt is not None and monotonic() - attempt.thread.made_at > ATTEMPT_MAX_SECONDS:
            self._given_up = [other for other in self._given_up if not other.thread.is_done(0)]
            if len(self._given_up) < MAX_GIVEN_UP:
                attempt.abandon()
                self._given_up.append(attempt)
                attempt = None
        self._attempt = attempt = attempt or _Attempt(self._engine, self._prepare, self._watch)
        if not attempt.thread.is_done(max(0.0, deadline - monotonic())):
            raise StoreUnavailable("ConnectTimeout")
        self._attempt = None
        return attempt.thread.result()

    def drop(self) -> None:
        """Close the connection, whatever its state. Never raises the driver's errors.

        One that is being opened is closed as soon as it is open. That of a parent process is left.
        """
        if self._pid != os.getpid():
            return
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            with contextlib.suppress(Exception):
                attempt.abandon()
        driver, self.driver = self.driver, None
        if driver is not None:
            with contextlib.suppress(Exception):  # a dropped connection is often dead already
                self._before_close(driver)
            with contextlib.suppress(Exception):
                driver.close()
