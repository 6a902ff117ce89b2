"""A connection that is ours alone, made as the host makes its own."""

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
"""Sets up a connection of the driver."""

ATTEMPT_MAX_SECONDS = 5.0
# Closing the connection of a parent process would end it for the parent too.
_of_a_parent_process: list[Any] = []


class _Attempt:
    """One attempt to connect, that a request can stop waiting for.

    Drivers and pools wait half a minute and more for a server that is hung. The thread ends with
    the attempt, and lives only as long as there is no connection. It is no subclass of `Thread`:
    one that was made before gevent patches `threading` never ends.
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
                # One that idles in the pool may have a file open that was replaced since.
                self._engine.dispose()
            connection = self._engine.connect()
            # Out of the host's pool: its size, time-outs and resets are for the host's requests.
            connection.detach()
            driver = connection.connection.dbapi_connection
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
    """Return what `function` returns, if it does so in time. It is for rare questions.

    Raises:
        StoreUnavailable: it did not; the thread that asked is left to end by itself.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    asking = threading.Thread(target=run, name="tcs_events asking", daemon=True)
    asking.start()
    asking.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise StoreUnavailable("Timeout")
    return results[0]


class OwnConnection:
    """Opens a connection when it is needed, keeps it, and opens a new one after `drop`.

    Args:
        engine: the host's; a connection is taken out of its pool for good.
        prepare: is called with each new connection, which is in autocommit.
        before_close: is called with a connection that is about to be closed.
    """

    def __init__(
        self, engine: Engine, prepare: Prepare, before_close: Prepare = lambda driver: None
    ) -> None:
        self._engine = engine
        self._prepare = prepare
        self._before_close = before_close
        self.driver: Any = None
        """The connection as its driver has it, None where there is none."""
        self.is_in_use = False
        """Whether somebody has begun to use it and has not come to an end.

        The next one to use it then knows that a transaction may still be open.
        """
        self._attempt: _Attempt | None = None
        self._pid = os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether `get` gives a connection that was used before."""
        return self.driver is not None and self._pid == os.getpid()

    def get(self, deadline: float) -> Any:
        """Return the connection as its driver has it: SQLAlchemy's costs several times a commit.

        Raises:
            StoreUnavailable: none could be made before `deadline`, a `monotonic()` time.
            Exception: what the driver, or SQLAlchemy, says of a database that refused.
        """
        if self._pid != os.getpid():
            _of_a_parent_process.append((self.driver, self._attempt))
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
        """Close the connection, whatever state it is in."""
        driver, self.driver = self.driver, None
        if driver is not None:
            with contextlib.suppress(Exception):  # it may be dead: that is why it is dropped
                self._before_close(driver)
            with contextlib.suppress(Exception):
                driver.close()
