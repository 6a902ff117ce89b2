"""A forked process uses none of its parent's counts, locks and connections.

uWSGI forks its workers in C, where Python's hooks do not run. Here `libc.fork` does the same.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from tcs_events.database import watchdog
from tests.conftest import MakeHost
from tests.support import ROOT, URL, post, stored, wait_until


def fork_in_python() -> int:
    return os.fork()


def fork_in_c() -> int:
    # A child that is forked in C would wait for ever for a thread of its parent that is waiting for
    # Python's lock at this moment. uWSGI forks before there is one.
    wait_until(lambda: not watchdog._watchdog._is_running)
    time.sleep(0.02)
    return ctypes.PyDLL(None).fork()  # type: ignore[no-any-return]


CHILD_SECONDS = 120
FORKS = [fork_in_python, fork_in_c]


def in_child(fork: Callable[[], int], function: Callable[[], object]) -> Any:
    """Return what a function returns in a child process."""
    ours, theirs = os.pipe()
    if (child := fork()) == 0:
        try:
            os.write(theirs, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    if not select.select([ours], [], [], CHILD_SECONDS)[0]:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(ours) as answer:
        text_ = answer.read()
    os.waitpid(child, 0)
    return json.loads(text_)


def accepted(app: Flask) -> tuple[int, int]:
    """Send one event. Return the status, and how many events the process has counted."""
    status = post(app).status_code
    return status, app.test_client().get(f"{URL}/health").json["received"]


@pytest.mark.parametrize("fork", FORKS)
def test_each_process_counts_for_itself_and_the_table_has_them_all(
    make_host: MakeHost, database_url: str, fork: Callable[[], int]
) -> None:
    app = make_host(database_url, TCS_EVENTS_HEALTH_ACCESS=lambda: True)
    post(app)
    tally = app.extensions["tcs_events"].tally

    def visit() -> list[int]:
        found = [*accepted(app), *accepted(app)]
        tally._at_exit()
        return found

    assert [in_child(fork, visit) for _ in range(3)] == [[202, 1, 202, 2]] * 3
    tally._at_exit()
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        rows = connection.execute(
            text("SELECT outcome, sum(events) FROM user_event_counters GROUP BY outcome")
        ).all()
    assert {name: int(events) for name, events in rows} == {"received": 7, "accepted": 7}
    assert len(stored(app)) == 7


@pytest.mark.parametrize("fork", FORKS)
def test_a_child_waits_for_no_lock_that_a_thread_of_its_parent_held(
    make_host: MakeHost, sqlite_url: str, fork: Callable[[], int]
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_KEEP_REJECTED=10)
    post(app)
    ours = app.extensions["tcs_events"]
    locks = [
        ours.counters._lock,
        ours.tally._mutex,
        ours.tally._asker._lock,
        ours.health._looking,
        ours.health._asker._lock,
        ours.store._group_commit._lanes.mutex,
        ours.rejections._lock,
        ours.preparing,
    ]
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()

    def visit() -> list[int]:
        client = app.test_client()
        statuses = [post(client).status_code, client.get(f"{URL}/health").status_code]
        return [*statuses, post(client, payload=[]).status_code]

    found = in_child(fork, visit)
    done.set()
    holder.join()
    assert found == [202, 200, 422]


def test_a_child_of_multiprocessing_counts_for_itself(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_HEALTH_ACCESS=lambda: True)
    post(app)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=lambda: answers.put(accepted(app)))
    child.start()
    assert answers.get(timeout=120) == (202, 1)
    child.join()
    assert accepted(app) == (202, 2)


GREENLETS = """
import sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import events_bp

app, db = Flask("host"), SQLAlchemy()
app.config["SQLALCHEMY_DATABASE_URI"] = sys.argv[1]
db.init_app(app)
app.register_blueprint(events_bp)

from gevent import monkey, spawn, wait
monkey.patch_all()

with app.app_context():
    db.create_all()
app.extensions["tcs_events"].counters.due_at = 0.0
event = {"event_type": "card_click", "session_id": "s"}

def visit():
    client = app.test_client()
    visits.append(client.post("/api/events", json=event).status_code)
    visits.append(client.get("/api/events/health").status_code)

visits = []
wait([spawn(visit) for _ in range(20)], timeout=60)
print(sorted(visits))
"""


def test_gevent_may_patch_threading_after_the_app_was_made(database_url: str) -> None:
    pytest.importorskip("gevent", reason="needs gevent: pip install -e '.[test]'")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", GREENLETS, database_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.splitlines()[-1:] == [str([200] * 20 + [202] * 20)], result.stderr[-2000:]


def test_a_child_that_closes_our_connections_leaves_those_of_its_parent(
    make_host: MakeHost, postgres_url: str
) -> None:
    app = make_host(postgres_url)
    assert post(app).status_code == 202
    own = app.extensions["tcs_events"].store.committers[0].own
    driver = own.driver

    assert in_child(fork_in_python, app.extensions["tcs_events"].close) is None

    assert own.driver is driver
    assert driver.execute("SELECT 1").fetchone() == (1,)
