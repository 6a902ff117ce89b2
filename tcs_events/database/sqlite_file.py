"""Notices that the file of an SQLite database was replaced or deleted while it is open.

A restore may put another file at the path (`os.replace`), or somebody may delete the file. An open
connection then goes on writing into the old file, which has no name any more, and its commits still
succeed.

The files `-wal` and `-shm` beside the path still belong to the old file. SQLite would take the old
log for the new file's log. And the last connection to the old file deletes the log at this path
when it is closed, even if it is the new file's log by then.
https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote

from sqlalchemy import URL, Engine

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be replaced
    fcntl = None  # type: ignore[assignment]

Identity = tuple[int, int]
"""The device and the inode of a file."""

# https://www.sqlite.org/src/file/src/os_unix.c: each reader holds a shared lock on these bytes. The
# last connection to close needs an exclusive lock on them, before it deletes the log.
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510


def identity_of(path: str) -> Identity | None:
    """Return which file is at a path, None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def path_of(engine: Engine) -> str:
    """Return the absolute path of the database file, as the engine's URL names it."""
    database = engine.url.database or ""
    if is_uri(engine.url):
        path = database.removeprefix("file:").partition("?")[0]
        if path.startswith("//"):  # an authority, which is empty or "localhost"
            path = "/" + path[2:].partition("/")[2]
        database = unquote(path)
    return os.path.abspath(database)


def is_uri(url: URL) -> bool:
    """Return whether SQLite reads the database's name as a URI: https://www.sqlite.org/uri.html.

    Without the parameter `uri`, "file:app.db" is the name of a file in the current folder.
    """
    is_on = str(url.query.get("uri", "")).lower() in ("true", "1", "yes", "on", "t", "y")
    return is_on and (url.database or "").startswith("file:")


def is_in_memory(url: URL) -> bool:
    """Return whether the database of an SQLite URL is in memory, or a file that nobody can find."""
    database = url.database or ""
    if not is_uri(url):
        return database in ("", ":memory:")
    path, _, parameters = database.removeprefix("file:").partition("?")
    query = {**dict(parse_qsl(parameters)), **url.query}
    return (
        unquote(path) in ("", ":memory:")
        or query.get("mode") == "memory"
        or query.get("vfs") == "memdb"
    )


class OpenFile:
    """The file that a connection has open.

    Args:
        engine: its URL names the path. If the path is a symbolic link, each check follows it again.
        driver: a new connection that has read something, so that its log is open, too.
    """

    def __init__(self, engine: Engine, driver: sqlite3.Connection) -> None:
        opened: str = driver.execute("PRAGMA database_list").fetchone()[2]
        path = path_of(engine)
        # If the host connects with its own `creator` function, the URL may name another file.
        self.path = path if identity_of(path) == identity_of(opened) else opened
        self._log, self._shared = f"{opened}-wal", f"{opened}-shm"
        self.identity = identity_of(self.path) if opened else None
        self._log_identity = identity_of(self._log)

    def is_replaced(self) -> bool:
        """Return whether the file at the path is another one, or gone. It takes microseconds."""
        return self.identity is not None and identity_of(self.path) != self.identity

    def is_gone(self) -> bool:
        """Return whether no file is at the path."""
        return self.identity is not None and identity_of(self.path) is None

    def leave(self, driver: sqlite3.Connection) -> None:
        """Prepare to close a connection whose file was replaced, without harming the new file.

        The log is first written into the old file, which may have been moved and not deleted. Then
        the old log is removed, unless the log at the path is already that of the new file.
        """
        with contextlib.suppress(sqlite3.Error):
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if (descriptor := self._keep_open()) is None:
            return
        with _locked(descriptor):  # all processes that have the old file open take this lock
            if self._log_identity is not None and identity_of(self._log) == self._log_identity:
                for path in (self._log, self._shared):
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(path)

    def _keep_open(self) -> int | None:
        """Lock the old file until this process ends, and return the lock's file descriptor.

        With the lock no connection is the last one to close the file, so none deletes the log at
        the path. It is a lock of the descriptor (OFD), because a lock of the process would end as
        soon as any descriptor of the file is closed.
        """
        if not hasattr(fcntl, "F_OFD_SETLK"):
            return None
        for number in _descriptors():
            with contextlib.suppress(OSError):
                status = os.fstat(number)
                if (status.st_dev, status.st_ino) == self.identity:
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
