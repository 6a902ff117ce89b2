"""Sliding windows in the memory of this process, for a limited number of keys."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 100_000
"""They take less than 50 MB."""


class MemoryWindows:
    """The sliding windows of `limits.storage.MemoryStorage`, with bounded memory and no thread.

    `MemoryStorage` removes expired keys in a thread. It walks over all keys a hundred times a
    second, and a forked process does not have it.

    Args:
        max_keys: if there are more, the least recently used key is forgotten.
        clock: returns seconds that never go back.
    """

    def __init__(
        self, max_keys: int = MAX_KEYS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_keys = max_keys
        self._clock = clock
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        """By key: the number of a window, the count of the window before it, and its own count."""
        self._pid = os.getpid()

    def __len__(self) -> int:
        return len(self._counts)

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count `amount` if the window of `expiry` seconds then holds at most `limit`.

        Return whether it was counted.
        """
        with self._own_lock():
            number, seconds_left, previous, current = self._window(key, expiry)
            # The previous window counts for the part of it that the sliding window still covers.
            taken = int(previous * seconds_left / expiry) + current + amount <= limit
            if taken:
                self._counts[key] = number, previous, current + amount
            if key in self._counts:
                self._counts.move_to_end(key)  # The first is then the least recently used one.
            if len(self._counts) > self._max_keys:
                self._counts.popitem(last=False)
        return taken

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the count of the previous window and its seconds left, then those of this one."""
        with self._own_lock():
            _, seconds_left, previous, current = self._window(key, expiry)
        return previous, seconds_left, current, seconds_left + expiry

    def _own_lock(self) -> threading.Lock:
        if self._pid != os.getpid():
            # Forked. Another thread may have held the lock then, and nobody here would release it.
            self._reset()
        return self._lock

    def _window(self, key: str, expiry: int) -> tuple[int, float, int, int]:
        now = self._clock()
        number = int(now // expiry)
        seconds_left = (number + 1) * expiry - now
        counted_window, previous, current = self._counts.get(key, (number, 0, 0))
        if counted_window == number:
            return number, seconds_left, previous, current
        return number, seconds_left, current if counted_window == number - 1 else 0, 0
