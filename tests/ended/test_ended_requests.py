"""A request that is ended takes nothing with it: no committer, no lock, no count, no connection."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import contextlib
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcs_events import create_blueprint
from tcs_events.host import Registration
from tests.conftest import MakeHost
from tests.ending import Ended, EndedAt, end_thread
from tests.support import URL, card_click, need_module, stored, wait_until

MANY = 100_000
"""More places than any request has."""


def registration_of(app: Flask) -> Registration:
    found: Registration = app.extensions["tcs_events"]
    return found


def collect(app: Flask, event_id: str, batch: int = 0) -> Any:
    """Let the collector answer, without the rest of Flask."""
    registration = registration_of(app)
    with app.app_context():
        collector = registration.collector
    if not batch:
        return collector.collect(json.dumps(card_click(event_id=event_id)).encode(), {})
    ids = [event_id, *(str(uuid4()) for _ in range(batch - 1))]
    events = [card_click(event_id=one) for one in ids]
    return collector.collect_batch(json.dumps({"events": events}).encode(), {})


def is_stored_in_the_end(store: Callable[[], int]) -> bool:
    """Tell whether a post is 202. On a busy machine one may be 503 for once, but not for long."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if store() == 202:
            return True
        time.sleep(0.1)
    return False


def _status(client: Any, event: dict[str, Any]) -> int:
    status: int = client.post(URL, json=event).status_code
    return status


def assert_well(app: Flask) -> None:
    """Five posts are stored, nothing waits, and every event was counted once."""
    client = app.test_client()
    for _ in range(5):
        event = card_click(event_id=str(uuid4()))
        assert is_stored_in_the_end(partial(_status, client, event))
    assert client.get(f"{URL}/health").status_code == 200
    registration = registration_of(app)
    state = registration.store.state()
    assert (state.waiting_events, state.waiting_bytes) == (0, 0)
    counted = registration.counters.counted()
    assert counted.received == sum(counted.outcomes.values())


def assert_stored_once(app: Flask, acknowledged: set[str]) -> None:
    rows = Counter(str(UUID(str(row["event_id"]))) for row in stored(app))
    assert acknowledged <= set(rows)
    assert set(rows.values()) <= {1}


def places(end: Callable[[int], bool], at_least: int, step: int = 1) -> None:
    """End something at one place after the other, until it has no more of them."""
    for place in range(0, MANY, step):
        if not end(place):
            assert place >= at_least
            return


@pytest.mark.parametrize("batch", [0, 6], ids=["one event", "a batch"])
def test_a_request_ended_at_any_place_leaves_the_next_ones_alone(
    make_host: MakeHost, database_url: str, batch: int
) -> None:
    app = make_host(database_url)
    assert_well(app)

    def end(place: int) -> bool:
        ended = EndedAt(place)
        ended.call(lambda: collect(app, str(uuid4()), batch))
        acknowledged = str(uuid4())
        is_stored = is_stored_in_the_end(lambda: collect(app, acknowledged).status)
        assert is_stored, f"after the end at place {place}"
        counted = registration_of(app).counters.counted()
        assert counted.received == sum(counted.outcomes.values()), place
        return ended.was_ended

    places(end, at_least=40)
    assert_well(app)
    assert_stored_once(app, set())


@pytest.mark.parametrize("kind", ["limits", "rejections", "identify", "health", "tally"])
def test_all_that_a_request_passes_through_survives_its_end(
    make_host: MakeHost, sqlite_url: str, kind: str
) -> None:
    if kind == "limits":
        need_module("limits")
    changes: dict[str, dict[str, object]] = {
        "limits": {"client_limit": "100000/minute", "session_limit": "100000/minute"},
        "rejections": {"keep_rejected": 50},
    }
    app = make_host(sqlite_url, create_blueprint(**changes.get(kind, {})))
    client = app.test_client()
    assert_well(app)
    registration = registration_of(app)

    def tally() -> None:
        registration.counters.due_at = 0.0
        registration.tally.write_if_due()

    link = {"session_id": "visitor-1", "email": "ada@example.com"}
    acts: dict[str, Callable[[], object]] = {
        "limits": lambda: client.post(URL, json=card_click()),
        "rejections": lambda: client.post(URL, json=card_click(session_id="")),
        "identify": lambda: client.post(f"{URL}/identify", json=link),
        "health": lambda: (setattr(registration.health, "_looked_at", 0.0), health(client)),
        "tally": tally,
    }
    act = acts[kind]

    def end(place: int) -> bool:
        ended = EndedAt(place)
        ended.call(act)
        finishes_soon(act, f"after the end at place {place}")
        return ended.was_ended

    places(end, at_least=15, step=1 if kind != "rejections" else 3)
    assert_well(app)


def health(client: Any) -> None:
    answer = client.get(f"{URL}/health")
    assert answer.status_code == 200, answer.json["problems"]


def finishes_soon(act: Callable[[], object], where: str) -> None:
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(act())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        done.result(120)
    except Exception as error:
        raise AssertionError(f"it hangs or fails {where}") from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock of an SQLite file, as another process may."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("COMMIT")
        other.close()


def test_a_waiting_request_ended_at_any_place_takes_no_committer_with_it(
    make_host: MakeHost, sqlite_url: str, tmp_path: Path
) -> None:
    app = make_host(sqlite_url)
    assert_well(app)
    store = registration_of(app).store

    def end(place: int) -> bool:
        ended, answers = EndedAt(place), list[int]()
        with locked(tmp_path / "host.db"):
            owner = threading.Thread(target=lambda: answers.append(collect(app, uid()).status))
            owner.start()
            wait_until(lambda: store.state().writing == 1)
            victim = threading.Thread(target=lambda: ended.call(lambda: collect(app, uid())))
            victim.start()
            # It waits, or was ended before it did.
            wait_until(lambda: store.state().waiting_events > 0 or not victim.is_alive())
            other = threading.Thread(target=lambda: answers.append(collect(app, uid()).status))
            other.start()
            wait_until(lambda: store.state().waiting_events > 0 or not other.is_alive())
        for thread in (owner, victim, other):
            thread.join(120)
            assert not thread.is_alive()
        # 503 where the request was ended while it wrote for the other one, too, or where a busy
        # machine has held the lock for too long.
        assert set(answers) <= {202, 503}, f"after the end at place {place}"
        is_stored = is_stored_in_the_end(lambda: collect(app, uid()).status)
        assert is_stored, f"after the end at place {place}"
        return ended.was_ended

    places(end, at_least=40)
    assert_well(app)
    assert_stored_once(app, set())


def uid() -> str:
    return str(uuid4())


# A connection that was being opened or closed is left to Python, which closes it with a warning.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    moments=st.lists(st.floats(0, 0.02), min_size=1, max_size=12),
    kind=st.sampled_from([Ended, KeyboardInterrupt, SystemExit]),
    batch=st.sampled_from([0, 3]),
)
def test_requests_ended_at_random_moments_lose_nothing(
    shared_app: Flask, moments: list[float], kind: type[BaseException], batch: int
) -> None:
    acknowledged: set[str] = set()

    def visit() -> None:
        with contextlib.suppress(Ended, KeyboardInterrupt, SystemExit):
            while not stop.is_set():
                event_id = uid()
                if collect(shared_app, event_id, batch).status == 202:
                    acknowledged.add(event_id)

    stop = threading.Event()
    threads = [threading.Thread(target=visit) for _ in range(len(moments) + 2)]
    for thread in threads:
        thread.start()
    for thread, moment in zip(threads, moments, strict=False):
        time.sleep(moment)
        end_thread(thread, kind)
    stop.set()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert_well(shared_app)
    assert_stored_once(shared_app, acknowledged)


@pytest.fixture
def shared_app(make_host: MakeHost, sqlite_url: str) -> Flask:
    # Not PostgreSQL: a thread that is ended in psycopg's own waiting may, once in ten runs, not
    # come back. There, requests are ended at each place of ours, see above.
    app = make_host(sqlite_url)
    assert_well(app)
    return app
