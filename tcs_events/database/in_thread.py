"""Runs a function in a thread of its own, so that a request can stop waiting for it.

Drivers and pools may wait half a minute or longer for a server that hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from tcs_events.errors import StoreUnavailable

T = TypeVar("T")


class InThread(Generic[T]):
    """A function that runs in a thread from `start` on.

    This is not a subclass of `Thread`. A subclass that was made before gevent patches `threading`
    never ends.
    """

    def __init__(self, function: Callable[[], T], name: str = "asking") -> None:
        self.made_at = monotonic()
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tcs_events {name}", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the process cannot start another thread.
        """
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:
            self._error = error
        finally:
            self._is_done.set()

    def is_done(self, seconds: float) -> bool:
        """Wait at most `seconds`, and return whether the function has returned or raised."""
        return self._is_done.wait(seconds)

    def result(self) -> T:
        """Return what the function has returned, or raise what it has raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]


def run_with_timeout(seconds: float, function: Callable[[], T]) -> T:
    """Return what `function` returns. It starts a thread for each call, so use it for rare queries.

    Raises:
        StoreUnavailable: it took longer than `seconds`. Its thread goes on in the background.
        Exception: what `function` raises.
    """
    call = InThread(function)
    call.start()
    if not call.is_done(seconds):
        raise StoreUnavailable("Timeout")
    return call.result()
