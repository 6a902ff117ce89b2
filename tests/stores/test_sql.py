"""The store in each kind of database: durable, independent of the host, and with time limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import NullPool, create_engine, make_url, text

from tcs_events.event import Event, Outcome
from tcs_events.stores.connections import OTHER
from tests.conftest import MakeHost
from tests.databases import execute_in
from tests.drivers import POSTGRES_DRIVERS, at_port, with_driver
from tests.pgbouncer import pgbouncer
from tests.stores.storing import append
from tests.support import ROOT, need_module, post, stored, wait_until

if TYPE_CHECKING:
    from tests.faults.postgres import Postgres


def event(session_id: str = "visitor-1", event_id: UUID | None = None) -> Event:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    return Event(event_id or uuid4(), session_id, "card_click", {"a": 1}, None, now, now)


@pytest.fixture(params=["own", "generic"])
def store(
    request: pytest.FixtureRequest,
    make_host: MakeHost,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The store on each database: the special store, and the generic one for other databases."""
    if request.param == "generic":
        monkeypatch.setattr(
            "tcs_events.stores.connections.kind_of",
            lambda engine, schema: OTHER,
        )
    app = make_host(database_url)
    with app.app_context():
        yield app.extensions["tcs_events"].store


def test_ids_go_on_beyond_two_billion(store: Any) -> None:
    append(store, [event()])
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE user_events SET id = 2147483647"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT setval('user_events_id_seq', 2147483647)"))
    assert append(store, [event(), event()]) == [Outcome.ACCEPTED] * 2
    with store._engine.connect() as connection:
        ids = connection.scalars(text("SELECT id FROM user_events ORDER BY id")).all()
    assert ids == [2**31 - 1, 2**31, 2**31 + 1]


def seconds_to_503(app: Flask) -> float:
    """Return how long an event waits until it is told that it is not stored."""
    started = time.monotonic()
    answer = post(app)
    seconds = time.monotonic() - started
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    return seconds


def is_once_in_time(attempt: Callable[[], float]) -> bool:
    """Return whether an answer comes within two seconds, at most at the fifth attempt.

    On a busy machine one may be late. An endpoint that waits too long is late each time.
    """
    return any(attempt() < 2 for _ in range(5))


class TestSqliteFile:
    def test_commits_are_synced_in_a_write_ahead_log(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url)
        post(app)
        [committer] = app.extensions["tcs_events"].store.committers
        driver = committer.own.get(time.monotonic() + 1)
        assert driver.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert driver.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL

    def test_the_weaker_mode_is_asked_for_by_its_name(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url, TCS_EVENTS_DURABILITY="lost_on_power_cut")
        post(app)
        [committer] = app.extensions["tcs_events"].store.committers
        driver = committer.own.get(time.monotonic() + 1)
        assert driver.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL

    def test_the_first_event_waits_for_somebody_who_is_writing(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url)
        with app.app_context():
            engine = app.extensions["sqlalchemy"].engine
        with engine.connect() as other:
            assert other.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
            other.exec_driver_sql("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(post, app)
                time.sleep(0.1)
                other.rollback()
                assert answer.result().status_code == 202
        assert len(stored(app)) == 1

    @pytest.mark.real_limits
    def test_a_locked_file_is_503_in_time_and_heals_by_itself(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url)
        wait_until(lambda: post(app).status_code == 202)
        with app.app_context():
            engine = app.extensions["sqlalchemy"].engine

        def seconds_while_locked() -> float:
            before = len(stored(app))
            with engine.connect() as other:
                other.exec_driver_sql("BEGIN IMMEDIATE")
                seconds = seconds_to_503(app)
            assert len(stored(app)) == before
            wait_until(lambda: post(app).status_code == 202)
            return seconds

        assert is_once_in_time(seconds_while_locked)


class StoppedServer(NamedTuple):
    """A PostgreSQL server that can be stopped, and the port of a PgBouncer in front of it."""

    url: str
    pooled_port: int
    postgres: Postgres

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.postgres.signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self.postgres.signal_all(signal.SIGCONT)


@pytest.fixture(scope="module")
def stopped_server() -> Iterator[StoppedServer]:
    need_module("psycopg")
    from tests.faults.postgres import running_postgres

    with running_postgres() as postgres, pgbouncer(postgres.url) as port:
        yield StoppedServer(postgres.url, port, postgres)


class TestPostgres:
    def test_commits_are_synced_even_where_the_role_says_otherwise(
        self, make_host: MakeHost, any_postgres_url: str
    ) -> None:
        app = make_host(any_postgres_url)
        with app.app_context():
            engine = app.extensions["sqlalchemy"].engine
        name = engine.url.database
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
            admin.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
        engine.dispose()
        post(app)
        for committer in app.extensions["tcs_events"].store.committers:
            assert committer.server.synchronous_commit(time.monotonic() + 10) == "on"

    def test_a_connection_that_died_meanwhile_costs_no_event(
        self, make_host: MakeHost, any_postgres_url: str, postgres_url: str
    ) -> None:
        app = make_host(any_postgres_url)
        post(app)
        with app.app_context(), ExitStack() as stack:
            # Those of the host's pool have died too, and one of them becomes ours.
            engine = app.extensions["sqlalchemy"].engine
            for _ in range(3):
                stack.enter_context(engine.connect()).execute(text("SELECT 1"))
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        admin = create_engine(postgres_url, poolclass=NullPool)
        with admin.connect() as connection:
            connection.execute(
                text(f"{others} AND pid <> pg_backend_pid()"), {"name": admin.url.database}
            )
        assert post(app).status_code == 202

    def test_a_deadlock_is_repeated(
        self, make_host: MakeHost, any_postgres_url: str, postgres_url: str
    ) -> None:
        """Another transaction has stored the second id, and then waits for our first one."""
        app = make_host(any_postgres_url)
        with app.app_context():
            store = app.extensions["tcs_events"].store
        execute_in(
            postgres_url,
            f"ALTER DATABASE {make_url(postgres_url).database} SET deadlock_timeout = '100ms'",
        )
        first, second = event(), event()
        insert_id = text(
            "INSERT INTO user_events (event_id, session_id, event_type, payload, created_at,"
            " received_at) VALUES (:id, 'theirs', 'card_click', '{}', now(), now())"
        )
        admin = create_engine(postgres_url, poolclass=NullPool)
        with admin.connect() as other, ThreadPoolExecutor(1) as pool:
            other.execute(text("SET deadlock_timeout = '20s'"))  # ours is the one to be ended
            other.execute(insert_id, {"id": second.event_id})
            results = pool.submit(append, store, [first, second])
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: execute_in(postgres_url, waiting) == [(1,)])
            other.execute(insert_id, {"id": first.event_id})
            other.rollback()
            assert results.result() == [Outcome.ACCEPTED] * 2
        assert [row["session_id"] for row in stored(app)] == ["visitor-1"] * 2

    @pytest.mark.real_limits
    def test_a_locked_table_is_503_in_time_and_heals_by_itself(
        self, make_host: MakeHost, any_postgres_url: str
    ) -> None:
        app = make_host(any_postgres_url)
        wait_until(lambda: post(app).status_code == 202)
        with app.app_context():
            engine = app.extensions["sqlalchemy"].engine

        def seconds_while_locked() -> float:
            with engine.begin() as other:
                other.execute(text("LOCK TABLE user_events IN ACCESS EXCLUSIVE MODE"))
                seconds = seconds_to_503(app)
            wait_until(lambda: post(app).status_code == 202)
            return seconds

        assert is_once_in_time(seconds_while_locked)

    @pytest.mark.real_limits
    @pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
    @pytest.mark.parametrize("is_pooled", [False, True], ids=["direct", "pooled"])
    def test_a_server_that_does_not_answer_is_503_in_time_and_heals_by_itself(
        self, make_host: MakeHost, stopped_server: StoppedServer, driver: str, is_pooled: bool
    ) -> None:
        need_module(driver)
        url = with_driver(stopped_server.url, driver)
        app = make_host(at_port(url, stopped_server.pooled_port) if is_pooled else url)
        wait_until(lambda: post(app).status_code == 202)

        def seconds_while_stopped() -> float:
            with stopped_server.stopped():
                seconds = seconds_to_503(app)
            wait_until(lambda: post(app).status_code == 202)
            return seconds

        assert is_once_in_time(seconds_while_stopped)

    def test_a_host_whose_pool_is_empty_costs_no_event(
        self, make_host: MakeHost, postgres_url: str
    ) -> None:
        app = make_host(
            postgres_url,
            SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 1, "max_overflow": 0, "pool_timeout": 30},
        )
        post(app)  # from now on the store has its own
        with app.app_context():
            db: SQLAlchemy = app.extensions["sqlalchemy"]
            with db.engine.connect():
                assert post(app).status_code == 202

    @pytest.mark.real_limits
    def test_a_pool_that_is_empty_from_the_start_is_503_in_time(
        self, make_host: MakeHost, postgres_url: str
    ) -> None:
        options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 30}

        def seconds_without_a_connection() -> float:
            app = make_host(postgres_url, SQLALCHEMY_ENGINE_OPTIONS=options)
            app.test_client().get("/")  # the table was checked while the server was reachable
            with app.app_context(), app.extensions["sqlalchemy"].engine.connect():
                seconds = seconds_to_503(app)
            wait_until(lambda: post(app).status_code == 202)
            return seconds

        assert is_once_in_time(seconds_without_a_connection)


def test_a_child_process_has_a_connection_of_its_own(
    make_host: MakeHost, database_url: str
) -> None:
    app: Flask = make_host(database_url)
    post(app, session_id="parent")
    child = os.fork()
    if child == 0:
        os._exit(0 if post(app, session_id="child").status_code == 202 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert post(app, session_id="parent again").status_code == 202
    assert [row["session_id"] for row in stored(app)] == ["parent", "child", "parent again"]


def test_nothing_is_lost_when_the_process_is_killed_after_its_answer(tmp_path: Path) -> None:
    """The whole promise, in one process. `tests/faults` does the same with many processes."""
    script = tmp_path / "host.py"
    script.write_text(
        "import sys, json; from flask import Flask; from flask_sqlalchemy import SQLAlchemy\n"
        "from tcs_events import events_bp\n"
        "app, db = Flask('host'), SQLAlchemy()\n"
        f"app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///{tmp_path}/host.db'\n"
        "db.init_app(app); app.register_blueprint(events_bp)\n"
        "with app.app_context(): db.create_all()\n"
        "import os, signal\n"
        "answer = app.test_client().post('/api/events', json=json.loads(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL) if answer.status_code == 202 else sys.exit(1)\n"
    )
    body = json.dumps({"event_type": "card_click", "session_id": "s"})
    for _ in range(3):
        result = subprocess.run(
            [sys.executable, script, body], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert result.returncode == -signal.SIGKILL
    import sqlite3

    with sqlite3.connect(tmp_path / "host.db") as connection:
        assert connection.execute("SELECT count(*) FROM user_events").fetchone() == (3,)
    connection.close()
