"""Writes a file that appears under its name only when it is complete."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tcs_events.errors import TcsEventsError


class NotReplaced(TcsEventsError):
    """A file of this name exists already, and was not replaced."""


def check_target(path: Path, *, replace: bool) -> None:
    """Check that a file may be written at this path.

    Raises:
        NotReplaced: the path exists. With `replace`: it exists and is not an ordinary file.
        OSError: the folder cannot be read.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        # A link may lead anywhere, and replacing a device such as /dev/null would break the system.
        raise NotReplaced(f"{path} is not an ordinary file; it is left as it is.")
    if not replace:
        raise NotReplaced(f"{path} exists already; replace it with --force.")


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """Give a file to write, which gets its name once the block has succeeded.

    Until then it is a hidden file in the same folder that only its owner can read. It is removed if
    the block fails. A killed process leaves it behind, with a name that ends in `.part`.

    Raises:
        NotReplaced: as for `check_target`; also if the path came to exist during the block.
        OSError: the file cannot be written.
    """
    check_target(path, replace=replace)
    # mkstemp never opens an existing file, and gives the new one mode 0600.
    descriptor, name = tempfile.mkstemp(".part", f".{path.name[:100]}.", path.parent)
    part = Path(name)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check_target(path, replace=replace)
        if replace:
            os.replace(part, path)
        else:
            _rename_to_new(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync(path.parent)


def _rename_to_new(part: Path, path: Path) -> None:
    """Rename, unless another process has made a file of this name meanwhile."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise NotReplaced(f"{path} exists already; replace it with --force.") from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links. Here a file made meanwhile would be replaced.
        os.replace(part, path)
    else:
        part.unlink()


def sync(path: Path) -> None:
    """Sync a file, or a folder so that the names in it survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
