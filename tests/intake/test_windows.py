"""The promises of sliding windows, for each storage that counts them."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import os
import signal
import threading
import time
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from limits import parse

from tcs_events.intake.rate_limits import Limit, Windows, windows_at
from tcs_events.intake.windows import MemoryWindows


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "redis"])
def windows(request: pytest.FixtureRequest) -> Iterator[Windows]:
    if request.param == "memory":
        yield MemoryWindows()
        return
    yield windows_at(request.getfixturevalue("redis_server").url)


def limit_of(rate: str, windows: Windows) -> Limit:
    return Limit("client", parse(rate), windows, b"secret")


def test_the_limit_is_taken_and_no_more(windows: Windows) -> None:
    limit = limit_of("5/hour", windows)
    assert [limit.take("ada", 1) for _ in range(7)] == [True] * 5 + [False] * 2
    assert limit.take("bob", 1)


def test_one_event_less_leaves_room_for_one(windows: Windows) -> None:
    limit = limit_of("5/hour", windows)
    assert limit.take("ada", 4)
    assert limit.retry_after_seconds("ada") == 0
    assert [limit.take("ada", 1) for _ in range(2)] == [True, False]


def test_a_batch_dearer_than_the_limit_is_taken_and_then_waited_for(windows: Windows) -> None:
    limit = limit_of("5/hour", windows)
    assert limit.take("ada", 20)
    assert not limit.take("ada", 1)
    assert limit.retry_after_seconds("ada") > 1800  # 20 count as less than 5 after 3/4 of an hour


def test_another_limit_counts_anew(windows: Windows) -> None:
    assert limit_of("1/hour", windows).take("ada", 1)
    assert not limit_of("1/hour", windows).take("ada", 1)
    assert limit_of("2/hour", windows).take("ada", 1)


def test_there_is_room_again_when_it_was_said(windows: Windows) -> None:
    limit = limit_of("3/second", windows)
    assert limit.take("ada", 3)
    refused = time.monotonic()
    while not limit.take("ada", 1):
        wait = limit.retry_after_seconds("ada") or 1
        assert 1 <= wait <= 2
        assert time.monotonic() < refused + 5
        time.sleep(wait)


@settings(deadline=None)
@given(
    rate=st.sampled_from(["1/second", "5/10 seconds", "600/minute", "7/hour"]),
    steps=st.lists(st.tuples(st.floats(0, 5000), st.integers(1, 700)), min_size=1, max_size=20),
)
def test_retry_after_is_the_first_second_with_room(
    rate: str, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    limit = limit_of(rate, MemoryWindows(clock=clock))
    for wait, events in steps:
        clock.now += wait
        taken = limit.take("ada", events)
        if taken:
            continue
        retry_after = limit.retry_after_seconds("ada")
        assert retry_after >= 1
        if retry_after > 1:
            clock.now += retry_after - 1.001
            assert limit.retry_after_seconds("ada") in (1, 2)  # 2 where it is a whole second
            clock.now += 1.001
        else:
            clock.now += 1
        assert limit.take("ada", 1)


@settings(deadline=None)
@given(steps=st.lists(st.floats(0, 3), min_size=200, max_size=400))
def test_no_two_windows_hold_more_than_two_limits(steps: list[float]) -> None:
    clock = Clock()
    limit = limit_of("10/10 seconds", MemoryWindows(clock=clock))
    taken = []
    for wait in steps:
        clock.now += wait / 10
        if limit.take("ada", 1):
            taken.append(clock.now)
    for first in taken:
        assert sum(first <= moment < first + 10 for moment in taken) <= 20


def test_memory_holds_so_many_keys_and_the_newest() -> None:
    windows = MemoryWindows(max_keys=1000)
    for number in range(5000):
        windows.acquire_sliding_window_entry("busy", 1, 3600)
        windows.acquire_sliding_window_entry(f"client {number}", 1, 3600)
    assert len(windows) == 1000
    assert not windows.acquire_sliding_window_entry("busy", 1, 3600)
    assert not windows.acquire_sliding_window_entry("client 4999", 1, 3600)
    assert windows.acquire_sliding_window_entry("client 0", 1, 3600)


def test_threads_take_no_more_than_there_is(windows: Windows) -> None:
    limit = limit_of("500/hour", windows)
    taken: list[bool] = []

    def take() -> None:
        taken.extend(limit.take("ada", 1) for _ in range(200))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 500


@pytest.mark.parametrize("asks", ["acquire_sliding_window_entry", "get_sliding_window"])
def test_a_process_that_is_forked_in_the_middle_goes_on(asks: str) -> None:
    windows = MemoryWindows()
    arguments = ("ada", 1, 60) if asks == "acquire_sliding_window_entry" else ("ada", 60)
    with windows._lock:  # as another thread would hold it at that moment
        child = os.fork()
        if child == 0:
            os._exit(0 if getattr(windows, asks)(*arguments) else 1)
        deadline = time.monotonic() + 10
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        if ended[0] == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert ended == (child, 0)
