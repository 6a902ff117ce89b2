"""One way to wait for a database that may hang: in a thread, for a limited time."""

from __future__ import annotations

import threading

import pytest

from tcs_events.database.in_thread import run_with_timeout
from tcs_events.errors import StoreUnavailable


def test_what_the_function_returns_or_raises_reaches_the_caller() -> None:
    assert run_with_timeout(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(5, lambda: 1 / 0)


def test_nobody_waits_longer_than_the_time_limit() -> None:
    is_over = threading.Event()
    with pytest.raises(StoreUnavailable, match="Timeout"):
        run_with_timeout(0.01, lambda: is_over.wait(30))
    is_over.set()
