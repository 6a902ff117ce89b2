"""Requests that arrive together share a transaction, and no request waits for ever."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tcs_events.errors import StoreUnavailable
from tcs_events.event import Event, Outcome
from tcs_events.stores.group_commit import GroupCommit, Write
from tcs_events.stores.pace import GROUP_MAX_EVENTS
from tests.support import wait_until

EVENT: Any = object()  # the queue does not read events


class Database:
    """Replaces a committer: it notes the groups that it gets, and a test can stop it."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.at_work = threading.Event()
        self.error: BaseException | None = None
        self.errors = 1000
        """How often it is raised."""

    def write(self, events: Sequence[Event], deadline: float) -> list[Outcome]:
        self.groups.append(len(events))
        self.at_work.set()
        self.may_go_on.wait(60)
        if self.error is not None and self.errors:
            self.errors -= 1
            raise self.error
        return [Outcome.ACCEPTED] * len(events)


@pytest.fixture
def database() -> Database:
    return Database()


def queue_before(write: Write, **changes: float) -> GroupCommit:
    bounds: Any = {"max_events": 100, "max_bytes": 10_000, "timeout_seconds": 30.0, **changes}
    return GroupCommit([write], **bounds)


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def hold_first(queue: GroupCommit, database: Database, pool: ThreadPoolExecutor) -> Future[Any]:
    """Let one request be in the middle of its commit."""
    database.may_go_on.clear()
    first = pool.submit(queue.append, [EVENT])
    assert database.at_work.wait(60)
    return first


def join(
    queue: GroupCommit, pool: ThreadPoolExecutor, requests: int, events: int = 1
) -> list[Future[Any]]:
    """Let more requests queue up behind it."""
    before = queue._waiting_events
    joined = [pool.submit(queue.append, [EVENT] * events) for _ in range(requests)]
    wait_until(lambda: queue._waiting_events == before + requests * events)
    return joined


def test_an_event_that_is_alone_is_written_at_once(database: Database) -> None:
    queue = queue_before(database.write)
    assert queue.append([EVENT]) == [Outcome.ACCEPTED]
    assert queue.append([EVENT, EVENT]) == [Outcome.ACCEPTED] * 2
    assert database.groups == [1, 2]


def test_those_who_come_during_a_commit_share_the_next_one(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    queue = queue_before(database.write)
    first = hold_first(queue, database, pool)
    others = join(queue, pool, 10)
    database.may_go_on.set()
    assert [request.result(60) for request in (first, *others)] == [[Outcome.ACCEPTED]] * 11
    assert database.groups == [1, 10]


def test_each_request_gets_the_results_of_its_own_events(pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()

    def write(events: Sequence[Any], deadline: float) -> list[Any]:
        gate.wait(60)
        return [f"result of {event}" for event in events]

    queue = queue_before(write)
    requests = [pool.submit(queue.append, [f"{n}a", f"{n}b"]) for n in range(8)]
    wait_until(lambda: queue._waiting_events == 14)
    gate.set()
    for n, request in enumerate(requests):
        assert request.result(60) == [f"result of {n}a", f"result of {n}b"]


@pytest.mark.parametrize("changes", [{"max_events": 3}, {"max_bytes": 30}], ids=["events", "bytes"])
def test_what_is_over_the_bound_is_refused_at_once_and_the_others_are_kept(
    database: Database, pool: ThreadPoolExecutor, changes: dict[str, float]
) -> None:
    queue = queue_before(database.write, **changes)
    first = hold_first(queue, database, pool)
    waiting = [pool.submit(queue.append, [EVENT], 10) for _ in range(3)]
    wait_until(lambda: queue._waiting_events == 3)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="QueueFull"):
        queue.append([EVENT], 10)
    assert time.monotonic() - started < 10
    database.may_go_on.set()
    for request in (first, *waiting):
        assert request.result(60) == [Outcome.ACCEPTED]
    assert queue.append([EVENT], 10) == [Outcome.ACCEPTED]  # there is room again


def test_a_request_whose_time_is_over_is_told_so(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    queue = queue_before(database.write, timeout_seconds=0.1)
    first = hold_first(queue, database, pool)
    with pytest.raises(StoreUnavailable, match="Timeout"):
        queue.append([EVENT])
    assert queue._waiting_events == 0
    database.may_go_on.set()
    first.result(60)
    assert database.groups == [1]  # the event that timed out is not written later
    assert queue.append([EVENT]) == [Outcome.ACCEPTED]


def test_a_failure_is_told_to_all_who_wait_and_the_next_one_tries_again(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    queue = queue_before(database.write)
    first = hold_first(queue, database, pool)
    others = join(queue, pool, 5)
    database.error = StoreUnavailable("down")
    database.may_go_on.set()
    for request in (first, *others):
        with pytest.raises(StoreUnavailable, match="down"):
            request.result(60)
    assert database.groups == [1]
    database.error = None
    assert queue.append([EVENT]) == [Outcome.ACCEPTED]


def test_while_it_fails_only_one_request_waits_to_see(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    queue = queue_before(database.write)
    database.error = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        queue.append([EVENT])
    database.at_work.clear()
    trying = hold_first(queue, database, pool)
    with pytest.raises(StoreUnavailable, match="Failing"):
        queue.append([EVENT])
    database.error = None
    database.may_go_on.set()
    assert trying.result(60) == [Outcome.ACCEPTED]
    assert queue.append([EVENT]) == [Outcome.ACCEPTED]


def test_a_thread_that_is_ended_in_its_commit_leaves_the_others_alone(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    queue = queue_before(database.write)
    first = hold_first(queue, database, pool)
    others = join(queue, pool, 3)
    database.error = SystemExit()  # as a server raises it in a worker that must go
    database.errors = 1
    database.may_go_on.set()
    with pytest.raises(SystemExit):
        first.result(60)
    for request in others:
        assert request.result(60) == [Outcome.ACCEPTED]
    assert not queue.state().is_failing  # the database has not failed
    assert queue.append([EVENT]) == [Outcome.ACCEPTED]


def test_a_group_is_bounded_and_the_rest_comes_next(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    queue = queue_before(database.write, max_events=10_000)
    first = hold_first(queue, database, pool)
    others = join(queue, pool, 5, events=1000)
    database.may_go_on.set()
    for request in (first, *others):
        request.result(60)
    assert sum(database.groups) == 5001
    assert max(database.groups) <= GROUP_MAX_EVENTS


def test_several_committers_are_at_work_at_once(pool: ThreadPoolExecutor) -> None:
    first, second = Database(), Database()
    queue = GroupCommit(
        [first.write, second.write], max_events=100, max_bytes=10_000, timeout_seconds=30.0
    )
    hold_first(queue, first, pool)
    assert queue.append([EVENT]) == [Outcome.ACCEPTED]
    assert (first.groups, second.groups) == ([1], [1])
    first.may_go_on.set()


def test_a_child_forked_in_the_middle_of_a_commit_starts_afresh(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    queue = queue_before(database.write)
    first = hold_first(queue, database, pool)
    with queue._lanes.mutex:  # the worst moment
        child = os.fork()
    if child == 0:
        database.may_go_on.set()
        os._exit(0 if queue.append([EVENT]) == [Outcome.ACCEPTED] else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    database.may_go_on.set()
    assert first.result(60) == [Outcome.ACCEPTED]


def test_a_request_leaves_nothing_to_the_garbage_collector() -> None:
    """A cycle would keep the events in memory until the collector runs, and have it run more."""
    queue = GroupCommit(
        [lambda events, deadline: [Outcome.ACCEPTED] * len(events)],
        max_events=10,
        max_bytes=1000,
        timeout_seconds=5,
    )
    entry = weakref.ref(kept := Kept())
    gc.disable()
    try:
        queue.append([kept])
        del kept
        assert entry() is None
    finally:
        gc.enable()


class Kept:
    """An event whose end can be seen."""
