"""Keeps stdout for a command's own output. Meanwhile, logs go to stderr.

By default structlog prints on stdout. So may `logging` handlers, `SQLALCHEMY_ECHO` and the host's
own `print`. A single such line makes a JSON document unreadable for programs.
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
    """Return the stream that a command prints to."""
    return _data.get() or sys.stdout


@contextmanager
def only_data_on_stdout() -> Iterator[None]:
    """Send everything printed in the block to stderr, except what is written to `stdout()`."""
    with _data_stream() as stream:
        token = _data.set(stream)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _data.reset(token)


@contextmanager
def _data_stream() -> Iterator[TextIO]:
    """Give a stream to the original stdout.

    If `sys.stdout` is the process's own, file descriptor 1 points to stderr meanwhile. Replacing
    `sys.stdout` alone would not do: a logger that was made earlier still holds the old stream.
    """
    if not _is_of_process(sys.stdout):
        yield sys.stdout
        return
    sys.stdout.flush()
    stream = open(  # noqa: SIM115 - closed below, where its error is dealt with
        _copy(STDOUT), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors
    )
    original = _copy(STDOUT)
    try:
        _point_stdout_elsewhere()
        yield stream
        stream.flush()
    finally:
        with suppress(OSError):
            sys.stdout.flush()  # loggers may have left text in the old stream
        os.dup2(original, STDOUT)
        os.close(original)
        with suppress(OSError):  # already raised by the flush above, or by a write
            stream.close()


def _is_of_process(stream: IO[str]) -> bool:
    try:
        return stream.fileno() == STDOUT
    except (AttributeError, OSError, ValueError):
        return False  # a stream that a test put in place, or None


def _copy(descriptor: int) -> int:
    """Return a copy of a descriptor that is not one of the three standard ones."""
    import fcntl  # missing on Windows, where apps must still be importable

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, STDERR + 1)


def _point_stdout_elsewhere() -> None:
    if sys.stderr is not None:
        os.dup2(STDERR, STDOUT)
        return
    # The process was started without stderr, so descriptor 2 may be a database file by now.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, STDOUT)
    os.close(null)
