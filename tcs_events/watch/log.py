"""The log of the package. A failing log never makes a request fail.

Writing a line may raise: the disk may be full, or one of the host's structlog processors may not
support a value. The event is stored all the same, and the answer is 202.

Writing a line may also hang, for example if nobody reads the pipe that stdout is connected to. So
only one thread writes at a time. Other threads leave their lines in a queue and go on, and the
writing thread writes the queue, too. So a log that hangs blocks one request of the process, not
all. There is no background thread: as long as nothing hangs, a request's line is in the log before
its answer.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from contextvars import Context, copy_context
from typing import Any

import structlog

from tcs_events.database.forks import ensure_own_state, in_each_child

MAX_WAITING_LINES = 1000
"""The most lines that wait while the log hangs. Further lines are lost, and counted."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Line:
    """One line that is to be written."""

    __slots__ = ("context", "event", "keys", "level", "logger")

    def __init__(self, logger: Any, level: str, event: str, keys: dict[str, object]) -> None:
        self.logger, self.level, self.event, self.keys = logger, level, event, keys
        self.context: Context | None = None
        """The request's context variables, if another thread is to write the line."""

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
        """Write a line, or leave it to the thread that is writing now."""
        ensure_own_state()
        try:
            if not self._is_mine(line):
                return
            line.write()
            for _ in range(MAX_WAITING_LINES):  # one request must not write other lines for ever
                if (other := self._next()) is None:
                    return
                if other.context is not None:
                    other.context.run(other.write)
        finally:
            # An assignment always completes, even if the request is interrupted here.
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
    """Writes lines with the host's structlog configuration. Lines that fail are counted."""

    lost_lines = 0
    """The lines that this process could not write. Without a lock it may be one or two too low."""

    def __init__(self, logger: Any = None) -> None:
        self._logger = logger or structlog.get_logger("tcs_events")

    def bind(self) -> Log:
        """Return a log for many lines. It binds the logger once instead of once for each line."""
        try:
            return Log(self._logger.bind())
        except Exception:
            return self

    def debug(self, event: str, **keys: object) -> None:
        self._say("debug", event, keys)

    def info(self, event: str, **keys: object) -> None:
        self._say("info", event, keys)

    def at(self, level: str, event: str, **keys: object) -> None:
        """Write a line at level "debug" or "info". With "off" nothing is written."""
        if level != "off":
            self._say(level, event, keys)

    def warning(self, event: str, **keys: object) -> None:
        self._say("warning", event, keys)

    def error(self, event: str, **keys: object) -> None:
        self._say("error", event, keys)

    def is_on(self, level: str) -> bool:
        """Return whether lines of this level are written at all. None is at level "off"."""
        if level == "off":
            return False
        logger = self._logger
        is_enabled_for = getattr(type(logger), "is_enabled_for", None)
        return is_enabled_for is None or is_enabled_for(logger, _LEVELS[level])

    def _say(self, level: str, event: str, keys: dict[str, object]) -> None:
        # Skip lines below the host's log level early: most lines of most hosts are.
        if self.is_on(level):
            _lines.write(_Line(self._logger, level, event, keys))


_lines = _Lines()
log = Log()


def log_raised(line: str, error: Exception, **keys: object) -> None:
    """Log an error of the host's code: its class, and where it was raised.

    Not its text, which may quote the event or the user.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename}:{frame.lineno}"
    log.error(line, **keys, reason=type(error).__name__, where=where)
