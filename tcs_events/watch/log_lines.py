"""Limits the log lines that a flood of bad requests causes, and logs how many were left out."""

from __future__ import annotations

import threading
from collections import Counter
from time import monotonic

from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.watch.log import log

LINES_PER_SECOND = 50
"""The lines of each kind about refused requests, for one process. All requests are still counted in
the counters."""
TROUBLES_PER_SECOND = 1
"""The lines of each kind about the database: its state rarely changes between two requests."""


class LogLines:
    """Allows a number of lines per second, then logs how many were left out."""

    def __init__(self) -> None:
        self.reset()
        in_each_child(self.reset)

    def reset(self) -> None:
        """Forget all counts, as in a process that has written no line yet."""
        self._lock = threading.Lock()
        self._second = 0
        self._written: Counter[str] = Counter()
        self._left_out = 0

    def allows(self, kind: str, per_second: int = LINES_PER_SECOND) -> bool:
        """Return whether a line of this kind may be written now. If not, it counts as left out."""
        ensure_own_state()
        second = int(monotonic())
        with self._lock:
            ended = self._end_before(second)
            self._written[kind] += 1
            allowed = self._written[kind] <= per_second
            self._left_out += not allowed
        _say(ended)
        return allowed

    def settle(self) -> None:
        """Log how many lines were left out in earlier seconds, unless that was logged already."""
        ensure_own_state()
        with self._lock:
            ended = self._end_before(int(monotonic()))
        _say(ended)

    def _end_before(self, second: int) -> int:
        if second == self._second:
            return 0
        left_out, self._left_out, self._second = self._left_out, 0, second
        self._written.clear()
        return left_out


def _say(left_out: int) -> None:
    if left_out:
        log.warning("tcs_events.log_lines_left_out", count=left_out)


log_lines = LogLines()
"""The limit of this process. There is one, because a process has one log."""
