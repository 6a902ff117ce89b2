"""A file that is there as a whole, or not at all."""

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
    """Something of this name is there already."""


def check_target(path: Path, *, replace: bool) -> None:
    """See that a file may be put here.

    Raises:
        NotReplaced: something is there: with `replace`, something other than an ordinary file.
        OSError: the folder cannot be looked into.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        # A link may lead anywhere, and what would come in the place of /dev/null is a file.
        raise NotReplaced(f"{path} is not an ordinary file; it is left as it is.")
    if not replace:
        raise NotReplaced(f"{path} is there already; replace it with --force.")


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """Give a file to write, which has its name once the block has ended well.

    Until then it is a hidden neighbour, which only its owner can read and which is removed where
    the block fails. A process that is killed leaves the neighbour, ending in `.part`.

    Raises:
        NotReplaced: as `check_target`; also where it came to be there meanwhile.
        OSError: the file cannot be written.
    """
    check_target(path, replace=replace)
    # Made by mkstemp: it exists for nobody else, and its mode is 0600.
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
            _put_where_nothing_is(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    _sync_folder(path.parent)


def _put_where_nothing_is(part: Path, path: Path) -> None:
    """Rename, unless another process has made a file of this name meanwhile."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise NotReplaced(f"{path} is there already; replace it with --force.") from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        os.replace(part, path)  # a file system without hard links, where we cannot be as sure
    else:
        part.unlink()


def _sync_folder(folder: Path) -> None:
    """Keep the new name through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
