"""Connections for our own use, opened the way the host opens its connections."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Engine, QueuePool

from tcs_events.errors import StoreUnavailable

T = TypeVar("T")
Prepare = Callable[[Any], None]
"""Sets up a connection. It is called with the driver's connection object."""

ATTEMPT_MAX_SECONDS = 5.0
"""After this time an attempt to connect is given up, and the next request starts a new one."""
# Keeps the parent process's connections alive in its children. If a child let Python close them,
# the server would end them for the parent too.
_connections_of_parent: list[Any] = []


class _Attempt:
    """One attempt to connect, in a thread, so that a request can stop waiting for it.

    Drivers and pools may wait half a minute or longer for a server that hangs. The thread ends with
    the attempt. This is not a subclass of `Thread`: a subclass that was made before gevent patches
    `threading` never ends.
    """

    def __init__(self, engine: Engine, prepare: Prepare) -> None:
        self.started_at = monotonic()
        self.error: BaseException | None = None
        self.driver: Any = None
        self._engine = engine
        self._prepare = prepare
        self._mutex = threading.Lock()
        self._abandoned = False
        self.thread = threading.Thread(target=self._run, name="tcs_events connecting", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        driver: Any = None
        try:
            if isinstance(self._engine.pool, QueuePool) and self._engine.dialect.name == "sqlite":
                # An idle connection in the pool may have an old, replaced file open.
                self._engine.dispose()
            connection = self._engine.connect()
            # Take it out of the pool, so that the pool's size and timeouts serve only the host.
            connection.detach()
            driver = connection.connection.dbapi_connection
            # Otherwise the driver would begin transactions by itself, and keep them open.
            self._engine.dialect.set_isolation_level(driver, "AUTOCOMMIT")
            self._prepare(driver)
        except BaseException as error:
            self.error = error
            if driver is not None:
                driver.close()
            return
        with self._mutex:
            self.driver = driver
            if self._abandoned:
                self.driver.close()

    def abandon(self) -> None:
        with self._mutex:
            self._abandoned = True
            if self.driver is not None:
                self.driver.close()


def within(seconds: float, function: Callable[[], T]) -> T:
    """Return what `function` returns. It starts a thread for each call, so use it for rare queries.

    Raises:
        StoreUnavailable: it took longer than `seconds`. Its thread goes on in the background.
        Exception: what `function` raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="tcs_events asking", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise StoreUnavailable("Timeout")
    return results[0]


class OwnConnection:
    """Opens a connection when it is first needed, and keeps it until `drop`.

    Args:
        engine: the host's engine. The connection is taken out of its pool for good.
        prepare: called with each new connection, which is in autocommit mode.
        before_close: called with a connection before it is closed.
    """

    def __init__(
        self, engine: Engine, prepare: Prepare, before_close: Prepare = lambda driver: None
    ) -> None:
        self._engine = engine
        self._prepare = prepare
        self._before_close = before_close
        self.driver: Any = None
        """The driver's connection object, or None if no connection is open."""
        self.is_in_use = False
        """Whether a request is using the connection.

        If it is True when the next request takes the connection, the earlier one was interrupted,
        and its transaction may still be open.
        """
        self._attempt: _Attempt | None = None
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
        if self.driver is None:
            self.driver = self._connect(deadline)
        return self.driver

    def _connect(self, deadline: float) -> Any:
        attempt = self._attempt
        if attempt is not None and monotonic() - attempt.started_at > ATTEMPT_MAX_SECONDS:
            attempt.abandon()
            attempt = None
        self._attempt = attempt = attempt or _Attempt(self._engine, self._prepare)
        attempt.thread.join(max(0.0, deadline - monotonic()))
        if attempt.thread.is_alive():
            raise StoreUnavailable("ConnectTimeout")
        self._attempt = None
        if attempt.error is not None:
            raise attempt.error
        return attempt.driver

    def drop(self) -> None:
        """Close the connection, whatever its state. Never raises the driver's errors."""
        driver, self.driver = self.driver, None
        if driver is not None:
            with contextlib.suppress(Exception):  # a dropped connection is often dead already
                self._before_close(driver)
            with contextlib.suppress(Exception):
                driver.close()
