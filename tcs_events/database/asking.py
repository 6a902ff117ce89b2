"""Small questions to the database beside the events, which nobody waits for for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.errors import StoreUnavailable

T = TypeVar("T")

LOCK_MS = 200
"""How long such a question waits for a lock: a thread in SQLite's own waiting cannot be stopped."""
OPEN_SECONDS = 0.2
"""How long the end of an earlier question is waited for."""
ABANDONED_SECONDS = 30.0
"""After so long an answer is no longer waited for, whatever holds it up."""


class _Question:
    """A question on its way to the database.

    It has a thread and is none: a subclass of `Thread` that was made before gevent patches
    `threading` never ends.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self.asked_at = monotonic()
        self.results: list[Any] = []
        self.error: BaseException | None = None
        self.is_answered = threading.Event()
        self._function = function
        self.thread = threading.Thread(target=self._run, name="tcs_events asking", daemon=True)

    def _run(self) -> None:
        try:
            self.results.append(self._function())
        except BaseException as error:
            self.error = error
        finally:
            self.is_answered.set()


class Asker:
    """Asks one question at a time.

    A database that hangs holds up one thread and one connection of the host's pool, however often
    it is asked.
    """

    def __init__(self) -> None:
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._question: _Question | None = None

    def ask(self, seconds: float, function: Callable[[], T]) -> T:
        """Return what `function` returns, if it does so in time.

        Raises:
            StoreUnavailable: it did not, or an earlier question is without an answer.
            Exception: what `function` raises.
        """
        ensure_own_state()
        question = _Question(function)
        try:
            with self._lock:
                self._wait_for_earlier(seconds)
                self._question = question
            # Outside the lock: under gevent others run while a thread starts.
            question.thread.start()
        except BaseException as error:
            if self._question is question:
                self._question = None  # or nobody could ask for a while, if this request was ended
            if isinstance(error, RuntimeError):  # a process that ends starts no thread any more
                return function()
            raise
        question.is_answered.wait(seconds)
        if question.error is not None:
            raise question.error
        if not question.results:
            raise StoreUnavailable("Timeout")
        answer: T = question.results[0]
        return answer

    def _wait_for_earlier(self, seconds: float) -> None:
        earlier = self._question
        if earlier is None or monotonic() - earlier.asked_at > ABANDONED_SECONDS:
            return
        # Whoever asked it may have been ended, and the answer come in a moment.
        if not earlier.is_answered.wait(min(seconds, OPEN_SECONDS)):
            raise StoreUnavailable("Timeout")


@contextmanager
def briefly(engine: Engine, statement_ms: int) -> Iterator[Connection]:
    """Give a connection of the host's pool in a transaction in which nothing waits for long.

    What was done is committed. The connection goes back as it came.
    """
    with engine.connect() as connection:
        before_ms = None
        if engine.dialect.name == "sqlite":
            before_ms = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {LOCK_MS}")
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
