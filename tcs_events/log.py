"""The log of the package. What goes wrong in it goes wrong in no request.

A log on a full disk raises, and so does a processor of the host that cannot write a value down. An
event that is stored is stored all the same, and its answer is 202.
"""

from __future__ import annotations

from typing import Any

import structlog


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
        try:
            self._logger.debug(event, **keys)
        except Exception:
            Log.lost_lines += 1

    def info(self, event: str, **keys: object) -> None:
        self._say("info", event, keys)

    def warning(self, event: str, **keys: object) -> None:
        self._say("warning", event, keys)

    def error(self, event: str, **keys: object) -> None:
        self._say("error", event, keys)

    def _say(self, level: str, event: str, keys: dict[str, object]) -> None:
        try:
            getattr(self._logger, level)(event, **keys)
        except Exception:
            Log.lost_lines += 1


log = Log()
