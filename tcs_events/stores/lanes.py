"""The few connections of a process that events are written on, shared by all our tables.

A lane is one such connection. One request at a time owns it, writes with it, and frees it.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from tcs_events.database.forks import in_each_child

IDLE_SECONDS = 30.0
"""How long a connection stays open after it was last used."""


class Connection(Protocol):
    """What a lane needs to know of a connection."""

    @property
    def is_open(self) -> bool: ...

    def drop(self) -> None:
        """Close it. The next use opens a new one."""


class Queue(Protocol):
    """Requests that wait for a lane."""

    def wake_next(self) -> None:
        """Wake the first of them. The lanes' mutex is held."""


class Lane:
    """A connection to write on, which one request at a time may use."""

    __slots__ = ("number", "owner", "used_at")

    def __init__(self, number: int) -> None:
        self.number = number
        self.owner: object | None = None
        """The request that is writing, or None if the lane is free."""
        self.used_at = monotonic()


class Lanes:
    """All lanes of one app's database.

    Args:
        connections: one for each lane. They may be closed by a thread that owns the lane.
    """

    def __init__(self, connections: Sequence[Connection | None]) -> None:
        self._connections = connections
        self._queues: list[weakref.ref[Queue]] = []
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self.mutex = threading.Lock()
        self.all = [Lane(number) for number in range(len(self._connections))]
        self._is_watching = False

    def add_queue(self, queue: Queue) -> None:
        """Wake the requests of this queue, too, when a lane becomes free."""
        self._queues.append(weakref.ref(queue))

    def wake_others(self, queue: Queue) -> None:
        """Wake the first request of each other queue. The mutex is held."""
        if len(self._queues) > 1:
            for reference in self._queues:
                other = reference()
                if other is not None and other is not queue:
                    other.wake_next()

    def close_free(self, idle_seconds: float = 0.0) -> bool:
        """Close the connections that nobody has used for so long; return whether any stays open."""
        for lane, connection in zip(self.all, self._connections, strict=True):
            if connection is None or not connection.is_open:
                continue
            if monotonic() - lane.used_at < idle_seconds:
                continue
            with self.mutex:
                if lane.owner is not None:
                    continue
                lane.owner = self
            try:
                connection.drop()
            finally:
                lane.owner = None
                with self.mutex:
                    self.wake_others(_NOBODY)
        return any(each is not None and each.is_open for each in self._connections)

    def close_when_idle(self) -> None:
        """Begin to look whether connections are idle. Call it after one was opened."""
        if self._is_watching:
            return
        self._is_watching = True
        # Python starts no threads at interpreter exit.
        with contextlib.suppress(RuntimeError):
            threading.Thread(
                target=_close_idle,
                args=(weakref.ref(self), self.mutex),
                name="tcs_events idle connections",
                daemon=True,
            ).start()

    def look(self, mutex: threading.Lock) -> bool:
        """Close what is idle. Return False if the thread that looks may end."""
        if mutex is not self.mutex:  # gevent has patched the process since
            return False
        if not self.close_free(IDLE_SECONDS):
            self._is_watching = False
            # One may have been opened before this assignment was seen.
            if not any(each is not None and each.is_open for each in self._connections):
                return False
            self._is_watching = True
        return True


class _Nobody:
    def wake_next(self) -> None:
        """Do nothing."""


_NOBODY = _Nobody()


def _close_idle(lanes: Callable[[], Lanes | None], mutex: threading.Lock) -> None:
    """Run until all connections are closed, or until the app is gone."""
    while True:
        time.sleep(IDLE_SECONDS / 4)
        current = lanes()
        if current is None or not current.look(mutex):
            return
        del current
