"""A driver that waits for its server in C is ended in time. `os.read` waits in the same way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from tcs_events.database import watchdog
from tests.database.test_forks import FORKS, in_child
from tests.support import ROOT, wait_until

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a connection. The other end says nothing by itself."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def read(ours: socket.socket, seconds: float) -> tuple[bytes, bool]:
    """Return what was read in time, and whether the time was up."""
    with watchdog.until(monotonic() + seconds, ours.fileno()) as watch:
        data = os.read(ours.fileno(), 10)
    return data, watch.has_ended


def test_a_call_without_an_answer_ends_at_its_deadline(pair: Pair) -> None:
    started = monotonic()
    assert read(pair[0], 0.2) == (b"", True)
    assert monotonic() - started >= 0.2


def test_a_call_that_is_answered_in_time_leaves_its_connection_open(pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"answer")
    assert read(ours, 0.1) == (b"answer", False)
    wait_until(lambda: not watchdog._watchdog._is_running)
    theirs.send(b"later")
    assert ours.recv(10) == b"later"


def test_a_deadline_that_is_over_ends_the_call_at_once(pair: Pair) -> None:
    assert read(pair[0], -1) == (b"", True)


def test_each_call_has_its_own_deadline(pair: Pair) -> None:
    ours, _ = pair
    others = socket.socketpair()
    with others[0], others[1], watchdog.until(monotonic() + 60, others[0].fileno()):
        assert read(ours, 0.1) == (b"", True)
        others[1].send(b"open")
        assert os.read(others[0].fileno(), 10) == b"open"


def test_another_connection_with_the_same_number_is_left_alone(pair: Pair) -> None:
    ours, _ = pair
    with watchdog.until(monotonic() + 0.1, ours.fileno()) as watch:
        number = ours.detach()
        os.close(number)
        new, other = socket.socketpair()
        assert number in (new.fileno(), other.fileno())
        wait_until(lambda: watch.has_ended)
    with new, other:
        other.send(b"open")
        assert new.recv(10) == b"open"


def test_no_descriptors_are_left_open(pair: Pair) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    ours, theirs = pair
    before = count()
    for _ in range(20):
        theirs.send(b"answer")
        read(ours, 10)
    read(ours, 0)
    assert count() == before


def test_a_call_that_is_never_left_frees_its_descriptor_at_its_deadline(pair: Pair) -> None:
    before = len(os.listdir("/proc/self/fd"))
    watchdog.until(monotonic(), pair[0].fileno()).__enter__()
    wait_until(lambda: len(os.listdir("/proc/self/fd")) == before)


def test_the_thread_ends_some_time_after_the_last_call(pair: Pair) -> None:
    threads = len(os.listdir("/proc/self/task"))
    read(pair[0], 0)
    wait_until(lambda: len(os.listdir("/proc/self/task")) <= threads)


@pytest.mark.parametrize("fork", FORKS)
def test_a_child_process_has_a_watchdog_of_its_own(pair: Pair, fork: Callable[[], int]) -> None:
    ours, theirs = pair
    theirs.send(b"answer")
    assert read(ours, 60) == (b"answer", False)
    assert in_child(fork, lambda: str(read(ours, 0.1))) == str((b"", True))


def test_many_calls_at_the_same_time_do_not_harm_each_other() -> None:
    def call(seconds: float) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for _ in range(100):
                theirs.send(b"answer")
                answers.append(read(ours, 5))
            answers.append(read(ours, seconds))

    answers: list[tuple[bytes, bool]] = []
    threads = [threading.Thread(target=call, args=(n / 50,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count((b"answer", False)) == 1000
    assert answers.count((b"", True)) == 10


IN_GEVENT = """
import os, socket
from time import monotonic
{first}
{second}
from tcs_events.database import watchdog
import gevent
ours, theirs = socket.socketpair()
ours.setblocking(True)
os.set_blocking(ours.fileno(), True)
def call():
    with watchdog.until(monotonic() + 0.2, ours.fileno()) as watch:
        assert os.read(ours.fileno(), 1) == b""  # gevent patches this in no mode
    assert watch.has_ended
gevent.spawn(call).get()
print("ended")
"""


@pytest.mark.parametrize("is_patched_late", [False, True])
def test_a_process_that_gevent_has_patched_is_watched_by_a_real_thread(
    is_patched_late: bool,
) -> None:
    imports = "from tcs_events.database import watchdog"
    patch = "from gevent import monkey; monkey.patch_all()"
    first, second = (imports, patch) if is_patched_late else (patch, imports)
    result = subprocess.run(
        [sys.executable, "-c", IN_GEVENT.format(first=first, second=second)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout == "ended\n", result.stderr
