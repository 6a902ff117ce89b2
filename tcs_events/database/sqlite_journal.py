"""Which journal an SQLite file has: ours, the write-ahead log, or the one that the host chose.

The write-ahead log (WAL) is a property of the file: every connection uses it once one has switched.
A host that sets another journal on each of its connections would then fail to connect, because
SQLite cannot switch back while our connection is open. So a host that sets a journal keeps it.
https://www.sqlite.org/pragma.html#pragma_journal_mode
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event

WAL = "wal"
OURS = "tcs_events"
DURABLE = ("delete", "truncate", "persist")
"""The other journals that are files, so that a crash in the middle of a commit is undone."""

_SETS_JOURNAL = re.compile(r"\bpragma\s+(?:\w+\s*\.\s*)?journal_mode\s*[=(]\s*['\"]?(\w+)", re.I)


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of the connection that events are written on."""

    mode: str
    """As SQLite names it, in lower case: `wal`, `delete`, `truncate` or `persist`."""
    chosen_by: str
    """Who has chosen it: a setting, the app's own code, or this package."""


class HostsChoice:
    """The journal that the host's code sets on each of its connections.

    Args:
        engine: the host's engine. Only connections that are made within `watched` are looked at.
    """

    def __init__(self, engine: Engine) -> None:
        self.is_known = False
        """False if the host makes its connections by a `creator` function, so that nobody can tell
        what it sets."""
        self.mode: str | None = None
        """In lower case. None if the host sets none."""
        self._watching = threading.local()
        # This event comes before every function of the host that sets up a connection.
        event.listen(engine, "do_connect", self._connect)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note what the host's code sets on a connection that this thread makes now."""
        self.is_known, self.mode = False, None
        self._watching.now = True
        try:
            yield
        finally:
            self._watching.now = False

    def _connect(self, dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        if not getattr(self._watching, "now", False):
            return None  # SQLAlchemy connects as usual
        driver = dialect.connect(*arguments, **options)
        driver.set_trace_callback(self._note)
        self.is_known = True
        return driver

    def _note(self, statement: str) -> None:
        if match := _SETS_JOURNAL.search(statement):
            self.mode = match[1].lower()
