"""Counts of sliding windows in the memory of this process: of so many keys, and no more."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 100_000
"""Below 50 MB."""


class MemoryWindows:
    """What `limits.storage.MemoryStorage` does for sliding windows, within bounds.

    That one starts a thread for what has expired, at once and again while it is used, which walks
    over all keys a hundred times a second and is not there in a forked process.

    Args:
        max_keys: where there are more, the one that was not asked for the longest is forgotten.
        clock: seconds that never go back.
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
        """The number of a window, the count of the one before it, and its own."""
        self._pid = os.getpid()

    def __len__(self) -> int:
        return len(self._counts)

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count `amount` if the window of `expiry` seconds then holds no more than `limit`."""
        with self._own_lock():
            number, left, previous, current = self._window(key, expiry)
            taken = int(previous * left / expiry) + current + amount <= limit
            if taken:
                self._counts[key] = number, previous, current + amount
            if key in self._counts:
                self._counts.move_to_end(key)
            if len(self._counts) > self._max_keys:
                self._counts.popitem(last=False)
        return taken

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the counts of the window before and of this one, each with its seconds to live."""
        with self._own_lock():
            _, left, previous, current = self._window(key, expiry)
        return previous, left, current, left + expiry

    def _own_lock(self) -> threading.Lock:
        if self._pid != os.getpid():
            # Forked, and perhaps while another thread held the lock, which nobody would let go of.
            self._reset()
        return self._lock

    def _window(self, key: str, expiry: int) -> tuple[int, float, int, int]:
        now = self._clock()
        number = int(now // expiry)
        left = (number + 1) * expiry - now
        of, previous, current = self._counts.get(key, (number, 0, 0))
        if of == number:
            return number, left, previous, current
        return number, left, current if of == number - 1 else 0, 0
