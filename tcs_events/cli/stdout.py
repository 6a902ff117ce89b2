"""Stdout for what was asked for, and for nothing else: the log goes to stderr meanwhile.

structlog prints on stdout where a host has not set it up, and so do handlers of `logging`,
`SQLALCHEMY_ECHO` and `print`. One such line in a JSON document, and no program can read it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from typing import IO, TextIO

STDOUT, STDERR = 1, 2
_data: ContextVar[TextIO | None] = ContextVar("tcs_events_stdout", default=None)


def stdout() -> TextIO:
    """Return where a command writes what it was asked for."""
    return _data.get() or sys.stdout


@contextmanager
def only_data_on_stdout() -> Iterator[None]:
    """Send to stderr what anybody else prints in the block; `stdout()` is what stdout was."""
    with _data_stream() as stream:
        token = _data.set(stream)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _data.reset(token)


@contextmanager
def _data_stream() -> Iterator[TextIO]:
    """Give a stream to stdout.

    Where stdout is that of the process, file descriptor 1 is stderr meanwhile: a logger that was
    opened before holds the old stream, which cannot be taken from it.
    """
    if not _is_of_process(sys.stdout):
        yield sys.stdout
        return
    sys.stdout.flush()
    stream = open(  # noqa: SIM115 - closed below, where its error is dealt with
        _copy(STDOUT), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors
    )
    held = _copy(STDOUT)
    try:
        _point_stdout_elsewhere()
        yield stream
        stream.flush()
    finally:
        with suppress(OSError):
            sys.stdout.flush()  # what loggers have left in the old stream
        os.dup2(held, STDOUT)
        os.close(held)
        with suppress(OSError):  # told already, by the flush above or by whoever wrote
            stream.close()


def _is_of_process(stream: IO[str]) -> bool:
    try:
        return stream.fileno() == STDOUT
    except (AttributeError, OSError, ValueError):
        return False  # a test's, or none


def _copy(descriptor: int) -> int:
    """Return another descriptor of the same, which is none of the three standard ones."""
    import fcntl  # not on Windows, where an app can be imported all the same

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, STDERR + 1)


def _point_stdout_elsewhere() -> None:
    if sys.stderr is not None:
        os.dup2(STDERR, STDOUT)
        return
    # Started without a stderr: descriptor 2 may be the file of a database by now.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, STDOUT)
    os.close(null)
