"""Commands that are told to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by(*signals: signal.Signals, exit_code: int) -> Iterator[None]:
    """Let these signals raise `SystemExit` in the block, so that what is begun is put away."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(exit_code)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
