"""Notices that the file of an SQLite database was replaced or deleted while it is open.

A restore may put another file at the path (`os.replace`), or somebody may delete the file. An open
connection then goes on writing into the old file, which has no name any more, and its commits still
succeed.

The files `-wal` and `-shm` beside the path still belong to the old file. SQLite would take the old
log for the new file's log. And the last connection to the old file deletes the log at this path
when it is closed, even if it is the new file's log by then.
https://www.sqlite.org/howtocorrupt.html

So each of our connections holds a mark on its log, which says whose log it is. A process that opens
the file at the path first removes a log that another process still uses for the old file.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from time import monotonic
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
_MARKS_FIRST, _MARKS_SIZE = 1 << 61, 1 << 61
"""A mark is a shared lock on one byte of the log, far behind its end, where SQLite locks nothing.
The byte's position is the inode of the database file. The mark ends with the process."""
_FOLDER_LOCK_SECONDS = 1.0
_PAUSE_SECONDS = 0.001


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


def remove_stale_log(engine: Engine) -> Identity | None:
    """Remove the log at the path if a running process of ours uses it for another file.

    Returns:
        which file is at the path, None if there is none.
    """
    path = os.path.realpath(path_of(engine))
    identity = identity_of(path)
    if identity is not None and _is_stale(f"{path}-wal", identity):
        # If that is not possible, the connection is refused by `OpenFile.is_other_than`.
        with contextlib.suppress(OSError), _locked_folder(path):
            if _is_stale(f"{path}-wal", identity):
                _remove_log(path)
    return identity


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
        self._opened, self._log = opened, f"{opened}-wal"
        self.identity = identity_of(self.path) if opened else None
        self._log_identity = identity_of(self._log)
        self._mark = _mark(self._log, self.identity)

    def is_replaced(self) -> bool:
        """Return whether the file at the path is another one, or gone. It takes microseconds."""
        return self.identity is not None and identity_of(self.path) != self.identity

    def is_gone(self) -> bool:
        """Return whether no file is at the path."""
        return self.identity is not None and identity_of(self.path) is None

    def is_other_than(self, expected: Identity | None, engine: Engine) -> bool:
        """Return whether the file or its log was replaced while the connection was opened.

        Args:
            expected: what `remove_stale_log` has returned just before.
            engine: that of the connection.
        """
        if self.identity is None or expected is None or self.path != path_of(engine):
            return False
        is_of_another = _is_marked(self._log, self.identity, own=False)
        return self.identity != expected or is_of_another

    def close(self) -> None:
        """Remove the mark from the log."""
        mark, self._mark = self._mark, None
        if mark is not None:
            os.close(mark)

    def leave(self, driver: sqlite3.Connection) -> None:
        """Prepare to close a connection whose file was replaced, without harming the new file.

        The log is first written into the old file, which may have been moved and not deleted. Then
        the old log is removed, unless the log at the path is already that of the new file.
        """
        with contextlib.suppress(sqlite3.Error):
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if not _keep_open(self.identity):
            return
        with _locked_folder(self._opened):
            if self._log_identity is not None and identity_of(self._log) == self._log_identity:
                _remove_log(self._opened)

    def give_up(self, expected: Identity | None) -> None:
        """Prepare to close a connection for which `is_other_than` is true.

        It may combine one file with the log of another. Neither must be written into the other.
        """
        for identity in {self.identity, expected}:
            _keep_open(identity)


def _keep_open(identity: Identity | None) -> bool:
    """Lock an open file until this process ends, and return whether that is possible.

    With the lock no connection is the last one to close the file, so none writes the log into it or
    deletes the log at the path. It is a lock of the descriptor (OFD), because a lock of the process
    would end as soon as any descriptor of the file is closed.
    """
    if not hasattr(fcntl, "F_OFD_SETLK"):
        return False
    for number in _descriptors():
        with contextlib.suppress(OSError):
            status = os.fstat(number)
            if (status.st_dev, status.st_ino) == identity:
                descriptor = os.open(f"/proc/self/fd/{number}", os.O_RDWR)
                _share(descriptor, _SHARED_FIRST, _SHARED_SIZE)
                return True
    return False


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []


def _share(descriptor: int, first: int, size: int) -> None:
    """Lock bytes of a file against exclusive locks until the descriptor is closed.

    https://man7.org/linux/man-pages/man2/fcntl.2.html, "Open file description locks"
    """
    lock = struct.pack("hhqqi", fcntl.F_RDLCK, os.SEEK_SET, first, size, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)


def _is_shared(descriptor: int, first: int, size: int) -> bool:
    """Return whether anybody has locked one of the bytes."""
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, first, size, 0)
    in_the_way: int = struct.unpack("hhqqi", fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, lock))[0]
    return in_the_way != fcntl.F_UNLCK


def _place_of(identity: Identity) -> int:
    return _MARKS_FIRST + identity[1] % _MARKS_SIZE


def _mark(log: str, identity: Identity | None) -> int | None:
    """Mark a log as that of a file. Return the file descriptor that holds the mark."""
    if identity is None or not hasattr(fcntl, "F_OFD_SETLK"):
        return None
    try:
        descriptor = os.open(log, os.O_RDONLY)
    except OSError:  # there is no log
        return None
    with contextlib.suppress(OSError):  # not every file system has locks
        _share(descriptor, _place_of(identity), 1)
    return descriptor


def _is_stale(log: str, identity: Identity) -> bool:
    """Return whether a log is marked for another file only."""
    return _is_marked(log, identity, own=False) and not _is_marked(log, identity, own=True)


def _is_marked(log: str, identity: Identity, *, own: bool) -> bool:
    """Return whether a log is marked for this file, or for any other."""
    if not hasattr(fcntl, "F_OFD_GETLK"):
        return False
    place = _place_of(identity)
    after = _MARKS_FIRST + _MARKS_SIZE - place - 1
    ranges = [(place, 1)] if own else [(_MARKS_FIRST, place - _MARKS_FIRST), (place + 1, after)]
    try:
        descriptor = os.open(log, os.O_RDONLY)
    except OSError:
        return False
    try:
        # A size of 0 would mean "to the end".
        return any(_is_shared(descriptor, first, size) for first, size in ranges if size)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _remove_log(path: str) -> None:
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path + ending)


@contextlib.contextmanager
def _locked_folder(path: str) -> Iterator[None]:
    """Keep our other processes from removing a log in this folder, for a second at most."""
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    give_up = monotonic() + _FOLDER_LOCK_SECONDS
    try:
        while monotonic() < give_up:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_SECONDS)
            except OSError:  # not every file system has locks
                break
            else:
                break
        yield
    finally:
        os.close(descriptor)
