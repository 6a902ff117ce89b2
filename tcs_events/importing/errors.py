"""What can be wrong with a file that is imported, and with one of its rows."""

from __future__ import annotations

from tcs_events.errors import TcsEventsError


class FileUnreadable(TcsEventsError):
    """The file cannot be read any further, or it cannot be imported at all."""


class RowRefused(TcsEventsError):
    """A row is not stored. The message says why, and quotes nothing but names of columns."""


class StoppedAtRow(TcsEventsError):
    """A row is refused, and the import is to stop there."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Line {line:,}: {reason}.")
