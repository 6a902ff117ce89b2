"""Ends a command cleanly when it gets a signal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by(*signals: signal.Signals, exit_code: int) -> Iterator[Callable[[], bool]]:
    """Let these signals raise `SystemExit` in the block, so that its `finally` clauses run.

    Gives a function that says whether a signal has come. Python discards an exception that is
    raised inside a finalizer, so the exception alone could be lost.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise SystemExit(exit_code)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
