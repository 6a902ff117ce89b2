"""Health tells whether events can be stored, and nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("psycopg", reason="needs psycopg: pip install -e '.[test]'")

import json
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

from flask import Flask, Response, abort, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine, event, text
from structlog.testing import capture_logs

import tcs_events.watch.health
import tcs_events.watch.tally
from tcs_events import ConfigError, events_bp
from tcs_events.event import Outcome
from tcs_events.watch.health import percentile
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.faults.postgres import running_postgres
from tests.faults.small_disk import small_disk
from tests.support import URL, card_click, post

HEALTH = f"{URL}/health"
ANSWER_SECONDS = 30
LATE = "it does not answer in time"
LEAKS = ("Traceback", "SELECT", "sqlite3", "psycopg", "sqlalchemy", "/tmp", "/home", ".db")


def health(app: Flask, *, is_hung: bool = False) -> tuple[int, dict[str, Any]]:
    """Ask anew, past what was seen a moment ago, and see that the answer is as it must be.

    Unless the database is hung, ask until it answers in time: on a busy machine it may not.
    """
    deadline = monotonic() + ANSWER_SECONDS
    while True:
        app.extensions["tcs_events"].health._reset()
        answer = app.test_client().get(HEALTH)
        if is_hung or LATE not in answer.text or monotonic() > deadline:
            break
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) is (answer.status_code == 503)
    body: dict[str, Any] = json.loads(answer.text, parse_constant=lambda name: 1 / 0)
    assert set(body) == {"status", "problems"}  # counts are not for strangers
    assert not [leak for leak in LEAKS if leak in answer.text]
    return answer.status_code, body


def problem(app: Flask, *, is_hung: bool = False) -> tuple[str, str]:
    """Return the key and the words of the one thing that is wrong."""
    status, body = health(app, is_hung=is_hung)
    assert status == 503
    assert body["status"] == "failing"
    [found] = body["problems"]
    assert found["remedy"]
    return found["key"], found["problem"]


def execute(app: Flask, *statements: str) -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def counts(app: Flask) -> dict[str, Any]:
    """Return the counts, as a client sees them whom the host allows to."""
    answer = app.test_client().get(HEALTH, headers={"Authorization": "of a watcher"})
    body: dict[str, Any] = json.loads(answer.text, parse_constant=lambda name: 1 / 0)
    assert not [leak for leak in LEAKS if leak in answer.text]
    return body


def is_watcher() -> bool:
    return request.headers.get("Authorization") == "of a watcher"


@pytest.fixture
def watched_app(make_host: MakeHost, sqlite_url: str) -> Flask:
    return make_host(sqlite_url, TCS_EVENTS_HEALTH_ACCESS=is_watcher)


def test_strangers_are_told_whether_events_can_be_stored_and_no_more(watched_app: Flask) -> None:
    post(watched_app)
    assert health(watched_app) == (200, {"status": "ok", "problems": []})
    execute(watched_app, "DROP TABLE user_event_counters")
    status, body = health(watched_app)
    assert (status, set(body)) == (503, {"status", "problems"})


@pytest.mark.parametrize(
    "access",
    [
        None,
        lambda: False,
        lambda: None,
        lambda: "yes",
        lambda: 1,
        lambda: abort(401),
        lambda: 1 / 0,
        lambda: Response("no", 403),
    ],
)
def test_only_true_lets_in(make_host: MakeHost, sqlite_url: str, access: object) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_HEALTH_ACCESS=access)
    assert health(app) == (200, {"status": "ok", "problems": []})


def test_an_access_function_that_fails_is_a_log_line(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_HEALTH_ACCESS=lambda: {}["canary"])
    with capture_logs() as logs:
        health(app)
    [line] = [line for line in logs if line["event"] == "tcs_events.health_access_failed"]
    assert line["reason"] == "KeyError"
    assert "canary" not in str(logs)


def test_access_that_is_no_function_stops_the_app(make_host: MakeHost, sqlite_url: str) -> None:
    with pytest.raises(ConfigError, match="TCS_EVENTS_HEALTH_ACCESS must be None or a"):
        make_host(sqlite_url, TCS_EVENTS_HEALTH_ACCESS="127.0.0.1")


def test_it_says_that_all_is_well_and_how_events_ended(watched_app: Flask) -> None:
    app, client = watched_app, watched_app.test_client()
    post(client, session_id="canary-session", email="canary@example.com")
    post(client, event_type="nonsense", payload={"canary": 1})
    status, body = 200, counts(app)
    latency = body.pop("latency_ms")
    none = dict.fromkeys(Outcome, 0)
    assert (status, body) == (
        200,
        {
            "status": "ok",
            "problems": [],
            "requests": 2,
            "received": 2,
            "events": none | {"accepted": 1, "invalid": 1},
            "reasons": {"invalid": {"event_type": 1}},
            "identities": none,
            "notes": {},
            "queue": {"events": 0, "bytes": 0},
        },
    )
    assert sum(latency["requests_up_to"].values()) == 2
    assert "canary" not in json.dumps([body, latency])


def test_it_is_answered_before_any_event_and_by_head(app: Flask) -> None:
    assert health(app)[0] == 200
    assert app.test_client().head(HEALTH).status_code == 200


def test_a_host_without_a_database_is_told_so_in_json() -> None:
    app = Flask("forgetful")
    app.register_blueprint(events_bp)
    assert problem(app) == ("config", "the app has no database")


def test_a_host_without_a_default_database_is_told_so(
    tmp_path: Path, close_later: list[Flask]
) -> None:
    app, db = Flask("host"), SQLAlchemy()
    app.config["SQLALCHEMY_BINDS"] = {"events": f"sqlite:///{tmp_path}/events.db"}
    db.init_app(app)
    close_later.append(app)
    app.register_blueprint(events_bp)
    assert problem(app) == ("config", "the app's settings name no database")


def test_tables_that_are_missing_are_named(app: Flask) -> None:
    execute(app, "DROP TABLE user_event_counters")
    assert problem(app)[1].startswith("user_event_counters: it does not exist")
    with app.app_context():
        app.extensions["sqlalchemy"].create_all()
    assert health(app)[0] == 200


def test_a_renamed_column_is_found(app: Flask) -> None:
    execute(app, "ALTER TABLE user_events RENAME COLUMN email TO e_mail")
    assert problem(app)[1].startswith("user_events: it does not exist, or lacks a column")


def test_a_database_without_any_table(make_host: MakeHost, database_url: str) -> None:
    app = make_host(database_url, create=False)
    assert problem(app) == ("tables", "none of them exists, or the app may not read them")


def test_a_file_that_another_has_locked(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    writer = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert problem(app) == ("writing", "the database is locked")
    writer.execute("ROLLBACK")
    writer.close()
    assert health(app)[0] == 200


def test_a_file_that_may_only_be_read(make_host: MakeHost, sqlite_url: str) -> None:
    make_host(sqlite_url)
    path = sqlite_url.removeprefix("sqlite:///")
    app = make_host(f"sqlite:///file:{path}?mode=ro&uri=true", create=False)
    assert problem(app) == ("writing", "the database is read-only")


def test_a_file_in_a_folder_that_is_not_there(make_host: MakeHost, tmp_path: Path) -> None:
    app = make_host(f"sqlite:///{tmp_path}/no/such/folder/host.db", create=False)
    assert problem(app) == ("database", "the file cannot be opened")


def test_a_file_that_is_no_database(make_host: MakeHost, tmp_path: Path) -> None:
    (tmp_path / "host.db").write_text("not a database" * 1000)
    app = make_host(f"sqlite:///{tmp_path}/host.db", create=False)
    assert problem(app) == ("database", "the file is not a database")


def test_a_database_in_memory_is_well(make_host: MakeHost) -> None:
    app = make_host("sqlite://")
    post(app)
    assert health(app)[0] == 200


def test_a_full_disk_is_seen_by_what_became_of_the_events(
    make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        app = make_host(f"sqlite:///{disk}/host.db")
        ballast = b"x" * 20_000
        while post(app, payload={"text": ballast.decode()}).status_code == 202:
            pass
        assert problem(app) == ("writing", "the last event was not stored")
        (disk / "ballast").unlink()
        assert problem(app) == ("writing", "the last event was not stored")
        # An unhealthy process gets no more events, so it must find out by itself that it is well.
        monkeypatch.setattr(tcs_events.watch.health, "FAILURE_SECONDS", 0)
        assert health(app)[0] == 200
        assert post(app).status_code == 202
        for engine in engines(app):
            engine.dispose()
        app.extensions["tcs_events"].store.close()


def test_counts_that_cannot_be_written_are_tried_again_by_whoever_asks(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(app)
    with monkeypatch.context() as broken:
        broken.setattr(tcs_events.watch.tally, "_write_rows", lambda *_: 1 / 0)
        app.extensions["tcs_events"].counters.due_at = 0.0
        assert post(app).status_code == 202
        assert problem(app) == ("writing", "the counts of events cannot be written")
    assert health(app)[0] == 200


def engines(app: Flask) -> list[Any]:
    with app.app_context():
        return list(app.extensions["sqlalchemy"].engines.values())


@pytest.mark.real_limits
def test_a_pool_without_a_free_connection(make_host: MakeHost, database_url: str) -> None:
    options = {"pool_size": 1, "max_overflow": 0}
    app = make_host(database_url, SQLALCHEMY_ENGINE_OPTIONS=options)
    [engine] = engines(app)
    with engine.connect():
        key, words = problem(app, is_hung=True)
        assert key == "database"
        assert "pool has no free connection" in words
    assert post(app).status_code == 202


def test_a_server_that_only_reads(make_host: MakeHost, postgres_url: str) -> None:
    app = make_host(postgres_url)
    [engine] = engines(app)
    execute(app, f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on")
    engine.dispose()
    assert problem(app) == ("writing", "the database is read-only")


@pytest.mark.real_limits
def test_a_server_that_is_hung_or_down_and_comes_back(make_host: MakeHost) -> None:
    with running_postgres() as postgres:
        app = make_host(postgres.url)
        assert health(app)[0] == 200
        postgres.signal_all(signal.SIGSTOP)
        for _ in range(2):
            key, words = problem(app, is_hung=True)
            assert key == "database"
            assert words.startswith(LATE)
        postgres.signal_all(signal.SIGCONT)
        assert health(app)[0] == 200
        postgres.stop("fast")
        assert problem(app) == ("database", "it cannot be reached")
        postgres.start()
        assert health(app)[0] == 200
        for engine in engines(app):
            engine.dispose()


@pytest.fixture
def checkouts(make_host: MakeHost, sqlite_url: str) -> tuple[Flask, list[int]]:
    """A host, and a list that grows with every connection it takes from its pool."""
    app = make_host(sqlite_url)
    app.test_client().get("/")
    [engine] = engines(app)
    taken: list[int] = []
    event.listen(engine, "checkout", lambda *_: taken.append(1))
    return app, taken


def test_a_flood_of_questions_is_one_look(
    checkouts: tuple[Flask, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, taken = checkouts
    monkeypatch.setattr(tcs_events.watch.health, "LOOK_SECONDS", 60)
    with ThreadPoolExecutor(16) as pool:
        client = app.test_client
        statuses = set(pool.map(lambda _: client().get(HEALTH).status_code, range(200)))
    assert (statuses, len(taken)) == ({200}, 1)
    health(app)  # without a stored result it checks again
    assert len(taken) == 2


@pytest.mark.real_limits
def test_a_hung_server_holds_up_one_thread_however_often_it_is_asked(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcs_events.watch.health, "LOOK_SECONDS", 0.05)
    with running_postgres() as postgres:
        app = make_host(postgres.url)
        app.test_client().get("/")
        before = set(threading.enumerate())  # those of earlier tests may still be there
        postgres.signal_all(signal.SIGSTOP)
        for _ in range(10):
            app.extensions["tcs_events"].health._looked_at = float("-inf")
            assert app.test_client().get(HEALTH).status_code == 503
        asking = [
            thread
            for thread in set(threading.enumerate()) - before
            if thread.name == "tcs_events asking"
        ]
        postgres.signal_all(signal.SIGCONT)
        for thread in asking:
            thread.join()
        assert len(asking) == 1
        for engine in engines(app):
            engine.dispose()


def test_a_bug_of_ours_is_503_in_json_and_a_log_line(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_host(sqlite_url)
    monkeypatch.setattr(tcs_events.watch.health, "_wrong_tables", lambda *_: 1 / 0)
    with capture_logs() as logs:
        assert problem(app) == ("health", "the check itself failed")
    assert {"reason": "ZeroDivisionError"}.items() <= logs[-1].items()


def test_a_lock_that_our_own_commits_hold_is_no_bad_news(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    post(app)
    engine = create_engine(sqlite_url)
    with engine.connect() as writer:
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        status, body = health(app)
        writer.rollback()
    engine.dispose()
    assert (status, body["problems"]) == (200, [])


def test_the_middleware_leaves_it_to_the_view(watched_app: Flask) -> None:
    app = watched_app
    app.wsgi_app = EventsMiddleware(app)
    client = app.test_client()
    client.post(f"{URL}/batch", json={"events": [card_click(), card_click(), {}]})
    assert counts(app)["events"]["accepted"] == 2
    assert client.post(HEALTH).status_code == 405


@pytest.mark.parametrize(
    ("latency", "share", "milliseconds"),
    [
        ((0,) * 12, 0.5, None),
        ((1,) + (0,) * 11, 0.5, 1),
        ((50, 49, 0, 1) + (0,) * 8, 0.5, 1),
        ((50, 49, 0, 1) + (0,) * 8, 0.99, 2),
        ((0,) * 11 + (1,), 0.5, None),
    ],
)
def test_a_percentile_is_the_end_of_its_class(
    latency: tuple[int, ...], share: float, milliseconds: int | None
) -> None:
    assert percentile(latency, share) == milliseconds
