"""Ends calls of a driver that wait for a server in C, where no timeout of Python reaches them.

A server that is stopped, or a network that hangs, sends no answer, and the kernel keeps the
connection open for hours. The watchdog shuts the connection's socket down once the time is up. The
driver then raises the error that it raises for any lost connection.
"""

from __future__ import annotations

import _socket  # gevent patches the class of the module `socket`
import contextlib
import os
import sys
from importlib import import_module
from socket import AF_INET, SHUT_RDWR, SOCK_STREAM
from time import monotonic
from typing import Any

from tcs_events.database.forks import ensure_own_state, in_each_child

LONG_SECONDS = 60.0
"""The longest time between two looks at the running calls."""
IDLE_SECONDS = 1.0
"""How long the thread lives after the last call."""


class Watch:
    """One call that is watched, as a context manager. `until` makes it."""

    __slots__ = ("_descriptor", "_watchdog", "deadline", "has_ended")

    def __init__(self, watchdog: _Watchdog, deadline: float, fileno: int) -> None:
        self._watchdog = watchdog
        # A copy, because the driver may close its own meanwhile, and the number be used again.
        self._descriptor: int | None = os.dup(fileno)
        self.deadline = deadline
        self.has_ended = False
        """Whether the time was up, so that the socket was shut down."""

    def __enter__(self) -> Watch:
        self._watchdog.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.remove(self)

    def end(self) -> None:
        if self._descriptor is not None:
            self.has_ended = True
            # Shutting down works on any kind of socket, so its family need not be looked up.
            socket = _socket.socket(AF_INET, SOCK_STREAM, 0, self._descriptor)
            self._descriptor = None
            with contextlib.suppress(OSError):  # the server has just closed it
                socket.shutdown(SHUT_RDWR)
            socket.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class _Watchdog:
    """The calls that are running, and the thread that looks at them.

    The thread and the lock are always those of the operating system: a greenlet of gevent does not
    run while a driver waits in C. The lock is never held for longer than a few system calls.
    """

    def __init__(self) -> None:
        self._lock = original("_thread", "allocate_lock")()
        self._wake = original("_thread", "allocate_lock")()
        """Released to wake the thread before its time."""
        self._wake.acquire()
        self._wakes_at = 0.0
        self._watches: set[Watch] = set()
        self._used_at = monotonic()
        self._is_running = False

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._used_at = monotonic()
            self._watches.add(watch)
            if not self._is_running:
                # Python starts no threads at interpreter exit. The call then goes unwatched.
                with contextlib.suppress(RuntimeError):
                    original("_thread", "start_new_thread")(self._run, ())
                    self._is_running = True
            elif watch.deadline < self._wakes_at:
                self._wakes_at = watch.deadline
                with contextlib.suppress(RuntimeError):  # it is about to wake anyway
                    self._wake.release()

    def remove(self, watch: Watch) -> None:
        with self._lock:
            self._watches.discard(watch)
            watch.close()

    def _run(self) -> None:
        while True:
            with self._lock:
                seconds = self._look(monotonic())
            if seconds is None:
                return
            self._wake.acquire(True, seconds)

    def _look(self, now: float) -> float | None:
        """End what has taken too long. Return after how many seconds to look again, None for never.

        It looks rarely, at the next deadline: most calls have ended long before theirs. So a fork
        seldom meets it while it runs.
        """
        for watch in [watch for watch in self._watches if watch.deadline <= now]:
            self._watches.discard(watch)
            watch.end()
        # A thread for each call would cost more than the call. So it waits for the next one.
        self._is_running = bool(self._watches) or now - self._used_at < IDLE_SECONDS
        if not self._is_running:
            return None
        deadlines = [watch.deadline for watch in self._watches]
        self._wakes_at = min([*deadlines, now + (LONG_SECONDS if deadlines else IDLE_SECONDS)])
        return self._wakes_at - now


def original(module: str, name: str) -> Any:
    """Return a function of the standard library as it was before gevent patched it."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(import_module(module), name)


_watchdog = _Watchdog()


def _start_anew() -> None:
    global _watchdog
    _watchdog = _Watchdog()


in_each_child(_start_anew)  # a child has no thread of its parent


def until(deadline: float, fileno: int) -> Watch:
    """Return a context manager whose body may wait for a server until `deadline`.

    After that the socket is shut down, and `has_ended` of the
    returned `Watch` is True. The driver's connection can then only be closed. It costs a few
    microseconds, so use it for each call.

    Args:
        deadline: a `monotonic()` time.
        fileno: the descriptor of the connection's socket.

    Raises:
        OSError: the descriptor is not open.
    """
    ensure_own_state()
    return Watch(_watchdog, deadline, fileno)
