"""The file of an SQLite database while a connection has it open: is it still the one at its path?

A restore may put another file there (`os.replace`), or somebody may delete it. The connection goes
on writing into a file without a name, and each of its commits succeeds.

What is left beside the path, `-wal` and `-shm`, belongs to the old file. SQLite would take the old
log for that of the new file, and whoever closes the old file last deletes whatever log is there
then. https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Engine

try:
    import fcntl
except ImportError:  # Windows, where nobody can replace a file that is open
    fcntl = None  # type: ignore[assignment]

Identity = tuple[int, int]
"""The device and the inode of a file."""

# https://www.sqlite.org/src/file/src/os_unix.c: whoever reads holds a lock on these bytes, and the
# last one to close needs it for itself alone.
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510


def identity_of(path: str) -> Identity | None:
    """Return which file is at a path, None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def path_of(engine: Engine) -> str:
    """Return the path at which the host looks for its database now."""
    database = engine.url.database or ""
    if database.startswith("file:"):
        database = unquote(database.removeprefix("file:").partition("?")[0])
    return os.path.abspath(database)


class OpenFile:
    """The file behind a connection that was just made, and has read.

    Args:
        engine: whose URL names the path. A link there is followed anew with each look.
        driver: the connection.
    """

    def __init__(self, engine: Engine, driver: sqlite3.Connection) -> None:
        opened: str = driver.execute("PRAGMA database_list").fetchone()[2]
        path = path_of(engine)
        # Where the host connects by a function of its own, the URL may say something else.
        self.path = path if identity_of(path) == identity_of(opened) else opened
        self._log, self._shared = f"{opened}-wal", f"{opened}-shm"
        self.identity = identity_of(self.path) if opened else None
        self._log_identity = identity_of(self._log)

    def is_replaced(self) -> bool:
        """Return whether another file is at the path now, or none. It takes microseconds."""
        return self.identity is not None and identity_of(self.path) != self.identity

    def is_gone(self) -> bool:
        """Return whether no file is at the path."""
        return self.identity is not None and identity_of(self.path) is None

    def leave(self, driver: sqlite3.Connection) -> None:
        """Prepare to close a connection whose file was replaced, so that the new file is safe.

        What the log holds goes into the old file, which may have been moved and not deleted. Then
        the old log goes, unless another process has done so and the new file has its own.
        """
        with contextlib.suppress(sqlite3.Error):
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if (descriptor := self._keep_open()) is None:
            return
        with _locked(descriptor):  # by every process that has the old file open
            if self._log_identity is not None and identity_of(self._log) == self._log_identity:
                for path in (self._log, self._shared):
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(path)

    def _keep_open(self) -> int | None:
        """Hold a lock on the old file for as long as this process lives; return its descriptor.

        So no connection is the last one to close it, and none deletes a log by its path. The lock
        belongs to the descriptor: a lock of the process would end with any other one's closing.
        """
        if not hasattr(fcntl, "F_OFD_SETLK"):
            return None
        for number in _descriptors():
            with contextlib.suppress(OSError):
                found = os.fstat(number)
                if (found.st_dev, found.st_ino) == self.identity:
                    descriptor = os.open(f"/proc/self/fd/{number}", os.O_RDWR)
                    lock = (fcntl.F_RDLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_SIZE, 0)
                    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi", *lock))
                    return descriptor
        return None


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[Any]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
