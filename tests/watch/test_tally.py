"""A table holds the counts of all processes, and each event is counted exactly once."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from structlog.testing import capture_logs

import tcs_events.watch.tally
from tcs_events.event import Outcome
from tcs_events.watch.tally import RECEIVED, Day, Tally, read_days, table
from tests.conftest import MakeHost
from tests.support import URL, card_click, post

FIRST = date(2000, 1, 1)
FRIDAY, SATURDAY = date(2026, 3, 6), date(2026, 3, 7)


def tally_of(app: Flask) -> Tally:
    tally: Tally = app.extensions["tcs_events"].tally
    return tally


def be_due(app: Flask) -> None:
    """Make the counts due, so that the next request writes them."""
    app.extensions["tcs_events"].counters.due_at = 0.0


def days(app: Flask) -> list[Day]:
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        return read_days(connection, FIRST)


def written(app: Flask) -> dict[str, int]:
    """Return the events by outcome in the table, without outcomes of 0 events."""
    [day] = days(app)
    return {RECEIVED: day.received} | {name: n for name, n in day.events.items() if n}


def test_the_request_that_finds_the_counts_due_writes_them_all(app: Flask) -> None:
    client = app.test_client()
    for _ in range(3):
        post(client)
    post(client, event_type="nonsense")
    assert days(app) == []
    be_due(app)
    client.post(f"{URL}/batch", json={"events": [card_click(), card_click(event_id="1")]})
    assert written(app) == {RECEIVED: 6, "accepted": 4, "invalid": 2}
    [day] = days(app)
    assert day.received == day.ended == 6
    assert day.reasons == {"invalid": {"event_id": 1, "event_type": 1}}
    assert day.day == datetime.now(UTC).date()


def test_what_is_written_again_is_not_counted_again(app: Flask) -> None:
    for _ in range(3):
        be_due(app)
        post(app)
    assert written(app) == {RECEIVED: 3, "accepted": 3}


def test_a_request_that_is_not_due_asks_the_database_nothing(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    post(app)
    taken: list[int] = []
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    sa.event.listen(engine, "checkout", lambda *_: taken.append(1))
    for _ in range(10):
        post(app)
    assert taken == []
    be_due(app)
    post(app)
    assert taken == [1]


def test_processes_add_up(make_host: MakeHost, database_url: str) -> None:
    """Two apps with one database count as two processes."""
    first, second = make_host(database_url), make_host(database_url)
    for app in (first, second, first):
        be_due(app)
        post(app)
    assert written(first) == {RECEIVED: 3, "accepted": 3}


def test_a_write_that_fails_keeps_the_counts_and_not_the_request(app: Flask) -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        table.drop(connection)
    with capture_logs() as logs:
        for _ in range(2):
            be_due(app)
            assert post(app).status_code == 202
    told = [entry for entry in logs if entry["event"] == "tcs_events.counters_not_written"]
    assert len(told) == 1
    with app.app_context():
        app.extensions["sqlalchemy"].create_all()
    be_due(app)
    post(app)
    assert written(app) == {RECEIVED: 3, "accepted": 3}


def test_a_locked_file_costs_the_request_little_and_the_counts_nothing(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_host(sqlite_url)
    post(app)
    writer = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    be_due(app)
    assert post(app, event_type="nonsense").status_code == 422
    assert tally_of(app).is_failing
    writer.execute("ROLLBACK")
    writer.close()
    be_due(app)
    post(app)
    assert written(app) == {RECEIVED: 3, "accepted": 2, "invalid": 1}


@pytest.mark.real_limits
def test_an_answer_that_came_too_late_is_written_again_and_counted_once(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write succeeds after the timeout, so the process does not know."""
    held, write_rows = threading.Event(), tcs_events.watch.tally._write_rows

    def slow(*args: Any) -> None:
        held.wait(60)
        write_rows(*args)

    post(app)
    monkeypatch.setattr(tcs_events.watch.tally, "_write_rows", slow)
    monkeypatch.setattr(tcs_events.watch.tally, "PATIENCE_SECONDS", 0.05)
    be_due(app)
    assert post(app).status_code == 202
    assert tally_of(app).is_failing
    held.set()
    for thread in threading.enumerate():
        if thread.name == "tcs_events asking":
            thread.join()
    assert written(app) == {RECEIVED: 2, "accepted": 2}
    monkeypatch.setattr(tcs_events.watch.tally, "_write_rows", write_rows)
    monkeypatch.setattr(tcs_events.watch.tally, "PATIENCE_SECONDS", 60)
    be_due(app)
    post(app)
    assert written(app) == {RECEIVED: 3, "accepted": 3}


def test_a_late_write_takes_no_count_back(make_host: MakeHost, database_url: str) -> None:
    app = make_host(database_url)
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        for events in (5, 3):
            key = (FRIDAY, str(Outcome.ACCEPTED), "")
            tcs_events.watch.tally._write_rows(connection, "p", {key: events})
    assert days(app)[0].events["accepted"] == 5


def test_each_count_belongs_to_the_day_on_which_it_was_made(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = tally_of(app)
    monkeypatch.setattr(tcs_events.watch.tally, "_today", lambda: FRIDAY)
    tally._reset()
    post(app)
    monkeypatch.setattr(tcs_events.watch.tally, "_today", lambda: SATURDAY)
    tally.write_if_due()  # it is due at midnight
    post(app)
    tally.write_if_due()
    assert [(day.day, day.received, day.ended) for day in days(app)] == [
        (FRIDAY, 1, 1),
        (SATURDAY, 1, 1),
    ]


def test_counts_are_due_at_midnight(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcs_events.watch.tally, "monotonic", lambda: 100.0)
    monkeypatch.setattr(tcs_events.watch.tally, "_seconds_left_of_today", lambda: 3.0)
    tally_of(app).write_if_due()
    assert app.extensions["tcs_events"].counters.due_at == 103.1
    monkeypatch.setattr(tcs_events.watch.tally, "_seconds_left_of_today", lambda: 3000.0)
    tally_of(app).write_if_due()
    assert app.extensions["tcs_events"].counters.due_at == 110.0


def test_counts_of_more_than_a_year_ago_are_thrown_away(app: Flask) -> None:
    today = datetime.now(UTC).date()
    old = [today - timedelta(days=days) for days in (401, 400)]
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        for day in old:
            tcs_events.watch.tally._write_rows(connection, "p", {(day, RECEIVED, ""): 1})
    post(app)
    be_due(app)
    post(app)
    assert [day.day for day in days(app)] == [old[1], today]


def test_a_database_in_memory_keeps_no_table_of_counts(make_host: MakeHost) -> None:
    app = make_host("sqlite://")
    post(app)
    be_due(app)
    post(app)
    assert days(app) == []


def test_a_forked_child_begins_at_zero_and_leaves_the_parents_counts_to_it(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url)
    for _ in range(5):
        post(app)
    with app.app_context():
        # As a server that forks does, so that no connection is shared.
        app.extensions["sqlalchemy"].engine.dispose(close=False)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            registration = app.extensions["tcs_events"]
            if registration.counters.counted().received == 0:
                post(app)
                registration.tally._at_exit()
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert written(app) == {RECEIVED: 1, "accepted": 1}
    be_due(app)
    post(app)
    assert written(app) == {RECEIVED: 7, "accepted": 7}


def test_what_came_adds_up_while_threads_count_and_write(app: Flask) -> None:
    sent: Counter[str] = Counter()
    lock = threading.Lock()

    def visit(number: int) -> None:
        client = app.test_client()
        for turn in range(12):
            if turn % 4 == number % 4:
                be_due(app)
            good = (turn + number) % 3 > 0
            status = post(client, **({} if good else {"session_id": ""})).status_code
            with lock:
                sent["accepted" if status == 202 else "invalid"] += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(8)))
    be_due(app)
    post(app)
    assert written(app) == {RECEIVED: 97, "accepted": sent["accepted"] + 1, "invalid": 32}
