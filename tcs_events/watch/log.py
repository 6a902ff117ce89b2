"""The log of the package. What goes wrong in it goes wrong in no request.

A log on a full disk raises, and so does a processor of the host that cannot write a value down. An
event that is stored is stored all the same, and its answer is 202.

A log may also hang, because nobody reads the pipe that it writes into. So one thread at a time
writes: its own line, and those that others have brought meanwhile. The others bring theirs and go
on, so that a log that hangs holds up one request of a process, and no other. There is no thread for
it: while nothing hangs, the line of a request is in the log before its answer.
"""

from __future__ import annotations

import threading
from collections import deque
from contextvars import Context, copy_context
from typing import Any

import structlog

from tcs_events.database.forks import ensure_own_state, in_each_child

MAX_WAITING_LINES = 1000
"""More lines than this are lost while the log hangs, and counted."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Line:
    """One line, on its way into the log."""

    __slots__ = ("context", "event", "keys", "level", "logger")

    def __init__(self, logger: Any, level: str, event: str, keys: dict[str, object]) -> None:
        self.logger, self.level, self.event, self.keys = logger, level, event, keys
        self.context: Context | None = None
        """What the request has bound in structlog's context variables, for another thread."""

    def write(self) -> None:
        try:
            getattr(self.logger, self.level)(self.event, **self.keys)
        except Exception:
            Log.lost_lines += 1


class _Lines:
    """Writes lines, one thread at a time."""

    def __init__(self) -> None:
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[_Line] = deque()
        self._writer: _Line | None = None
        """The line whose thread is writing."""

    def write(self, line: _Line) -> None:
        """Write a line, or leave it to the thread that is writing just now."""
        ensure_own_state()
        try:
            if not self._is_mine(line):
                return
            line.write()
            for _ in range(MAX_WAITING_LINES):  # a request is not to write for others for ever
                if (other := self._next()) is None:
                    return
                if other.context is not None:
                    other.context.run(other.write)
        finally:
            # An assignment: it is done even where the request is ended in here.
            if self._writer is line:
                self._writer = None

    def _is_mine(self, line: _Line) -> bool:
        with self._mutex:
            if self._writer is None:
                self._writer = line
                return True
            if len(self._waiting) < MAX_WAITING_LINES:
                line.context = copy_context()
                self._waiting.append(line)
            else:
                Log.lost_lines += 1
            return False

    def _next(self) -> _Line | None:
        with self._mutex:
            if self._waiting:
                return self._waiting.popleft()
            self._writer = None
            return None


class Log:
    """Writes lines as structlog is set up by the host; a line that cannot be written is counted."""

    lost_lines = 0
    """By all of this process, perhaps one or two fewer than it was: there is no lock around it."""

    def __init__(self, logger: Any = None) -> None:
        self._logger = logger or structlog.get_logger("tcs_events")

    def bind(self) -> Log:
        """Return a log for many lines: this one binds anew for each, also for one left out."""
        try:
            return Log(self._logger.bind())
        except Exception:
            return self

    def debug(self, event: str, **keys: object) -> None:
        self._say("debug", event, keys)

    def info(self, event: str, **keys: object) -> None:
        self._say("info", event, keys)

    def at(self, level: str, event: str, **keys: object) -> None:
        """Write a line at "debug" or "info", or, with "off", none."""
        if level != "off":
            self._say(level, event, keys)

    def warning(self, event: str, **keys: object) -> None:
        self._say("warning", event, keys)

    def error(self, event: str, **keys: object) -> None:
        self._say("error", event, keys)

    def _say(self, level: str, event: str, keys: dict[str, object]) -> None:
        logger = self._logger
        # Most lines of a filtering logger are left out: nothing is to be spent on them.
        is_enabled_for = getattr(type(logger), "is_enabled_for", None)
        if is_enabled_for is None or is_enabled_for(logger, _LEVELS[level]):
            _lines.write(_Line(logger, level, event, keys))


_lines = _Lines()
log = Log()
