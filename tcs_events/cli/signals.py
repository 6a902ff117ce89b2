"""Commands that are told to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by(*signals: signal.Signals, exit_code: int) -> Iterator[Callable[[], bool]]:
    """Let these signals raise `SystemExit` in the block, so that what is begun is put away.

    Gives a function that tells whether one came: an exception that is raised in the middle of
    anything may be lost there, in a finalizer for one.
    """
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise SystemExit(exit_code)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
