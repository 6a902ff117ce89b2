from __future__ import annotations

import gc
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Blueprint, Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp
from tcs_events.watch.log_lines import log_lines
from tcs_events.wsgi import EventsMiddleware
from tests.databases import forget_postgres, make_tables, shared_postgres
from tests.drivers import POOLED_DRIVERS, POSTGRES_DRIVERS, database_by
from tests.mariadb import (
    INSTALL,
    forget_mariadb,
    mariadb_binary,
    mariadb_server,
    shared_mariadb,
)
from tests.patience import be_patient
from tests.pgbouncer import pgbouncer
from tests.redis_server import RedisServer
from tests.support import memory_folder, need, postgres_binary, postgres_server

MakeHost = Callable[..., Flask]

MARKERS = {
    "browser": "proof",
    "cli/test_bars.py": "proof",
    "cli/test_counting.py": "proof",
    "cli/test_export_processes.py": "proof",
    "cli/test_spreadsheet.py": "proof",
    "cli/test_stdout.py": "proof",
    "counts/test_late_rows.py": "proof",
    "counts/test_spans.py": "proof",
    "database/test_forks.py": "timing",
    "database/test_stored_json.py": "proof",
    "database/test_watchdog.py": "timing",
    "deployment": "proof",
    "ended": "timing",
    "faces/test_fuzz.py": "proof",
    "faces/test_naughty.py": "proof",
    "faces/test_openapi.py": "proof",
    "faces/test_prometheus.py": "proof",
    "faces/test_sequences.py": "proof",
    "faults": "proof",
    "figures": "proof",
    "frontend": "proof",
    "hosts/test_mariadb.py": "proof",
    "hosts/test_migrations.py": "proof",
    "hosts/test_pgbouncer.py": "proof",
    "hosts/test_schemas.py": "proof",
    "hosts/test_starting_together.py": "proof",
    "packaging": "proof",
    "reports/test_flood.py": "timing",
    "reports/test_time_limit.py": "timing",
    "stores/test_connections.py": "timing",
    "stores/test_mariadb.py": "proof",
    "stores/test_pace.py": "timing",
    "testing/test_plugin.py": "proof",
    "tracking/test_concurrency.py": "proof",
    "watch/test_log_lines.py": "proof",
}
"""The marker of the tests in a folder or file of `tests/`."""
ABOUT_DATABASES = ("database", "hosts", "stores")
"""The folders whose tests run on each kind of database even under `--one-database`."""

ABOUT_REQUESTS = ("faces", "dashboard")
"""The folders whose tests are about what is read and written before and after a database. Two kinds
of database are enough for them."""
OTHERS = {"mariadb", *POSTGRES_DRIVERS[1:], *POOLED_DRIVERS}
"""What only the run of all tests has, beside SQLite and PostgreSQL by psycopg 3."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="fail where a test would be skipped, for a machine that should have everything",
    )
    parser.addoption(
        "--one-database",
        action="store_true",
        help="of tests that run on each kind of database, run the one on SQLite",
    )


def pytest_configure() -> None:
    # pytest-xdist sets it to 80 in its workers, and what commands print follows it.
    os.environ.pop("COLUMNS", None)
    # A shell's background job ignores Ctrl-C, and so would the programs that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # SQLite syncs its files as ever, and does not wait for a disk. At times a disk takes seconds.
    if (folder := memory_folder()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, left_out = [], []
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        for marked in (place.parts[0], place.as_posix()):
            if marked in MARKERS:
                item.add_marker(MARKERS[marked])
        params = getattr(getattr(item, "callspec", None), "params", {})
        is_extra = (
            config.getoption("--one-database")
            and (
                any(isinstance(value, str) and value in OTHERS for value in params.values())
                or (
                    params.get("database_url", "sqlite") != "sqlite"
                    and place.parts[0] not in ABOUT_DATABASES
                )
            )
        ) or (params.get("database_url") == "mariadb" and place.parts[0] in ABOUT_REQUESTS)
        (left_out if is_extra else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_collection_finish() -> None:
    # Thousands of tests and all that they import are never garbage, and would be searched for it
    # again and again: a twelfth of the time of a small test.
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped under --no-skips: {report.longrepr[2]}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[Any]:
    """A file that is skipped as a whole is a skip like any other."""
    report = yield
    if report.skipped and collector.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped under --no-skips: {report.longrepr[2]}"
    return report


@pytest.fixture(autouse=True)
def _structlog_defaults() -> Iterator[None]:
    log_lines.reset()
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("real_limits") is None:
        be_patient(monkeypatch)


@pytest.fixture
def patient_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers that the test starts wait for a healthy database as long as it takes."""
    monkeypatch.setenv("PATIENT", "yes")


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """A PostgreSQL server: the one of the environment, else one of our own."""
    need(importlib.util.find_spec("psycopg"), "psycopg", "pip install -e '.[test]'")
    if url := os.environ.get("TCS_EVENTS_TEST_POSTGRES_URL"):
        yield url
        forget_postgres()
        return
    need(
        postgres_binary("initdb"),
        "PostgreSQL",
        "apt-get install postgresql, or set TCS_EVENTS_TEST_POSTGRES_URL",
    )
    with postgres_server() as url:
        yield url
        forget_postgres()


@pytest.fixture
def postgres_url(postgres_server_url: str) -> str:
    """The URL of an empty PostgreSQL database, in which the test may alter what it likes."""
    return shared_postgres(postgres_server_url).lend()


@pytest.fixture(scope="session")
def mariadb_server_url() -> Iterator[str]:
    """A MariaDB server: the one of the environment, else one of our own."""
    need(importlib.util.find_spec("pymysql"), "PyMySQL", "pip install -e '.[test]'")
    if url := os.environ.get("TCS_EVENTS_TEST_MARIADB_URL"):
        yield url
        forget_mariadb()
        return
    need(mariadb_binary("mariadbd") and mariadb_binary("mariadb-install-db"), "MariaDB", INSTALL)
    with mariadb_server() as url:
        yield url
        forget_mariadb()


@pytest.fixture
def mariadb_url(mariadb_server_url: str) -> str:
    """The URL of an empty MariaDB database, in which the test may alter what it likes."""
    return shared_mariadb(mariadb_server_url).lend()


@pytest.fixture(scope="session")
def pgbouncer_port(postgres_server_url: str) -> Iterator[int]:
    """The port of a PgBouncer in transaction mode, in front of that server."""
    with pgbouncer(postgres_server_url) as port:
        yield port


@pytest.fixture(params=[*POSTGRES_DRIVERS, *POOLED_DRIVERS])
def any_postgres_url(request: pytest.FixtureRequest) -> str:
    """An empty PostgreSQL database by each driver, with and without a pooler."""
    return database_by(request, request.param)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis server of one test's own, which may kill it."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/host.db"


URL_FIXTURES = {"sqlite": "sqlite_url", "postgresql": "postgres_url", "mariadb": "mariadb_url"}


@pytest.fixture(params=URL_FIXTURES)
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind we run on."""
    url: str = request.getfixturevalue(URL_FIXTURES[request.param])
    return url


@pytest.fixture
def close_later() -> Iterator[list[Flask]]:
    """Apps put in here have their connections closed after the test."""
    apps: list[Flask] = []
    yield apps
    # A thread that a request no longer waits for may still have a connection of the host's pool.
    deadline = time.monotonic() + 5
    for thread in threading.enumerate():
        if thread.name in ("tcs_events asking", "tcs_events connecting"):
            thread.join(max(0.0, deadline - time.monotonic()))
    for app in apps:
        if (registration := app.extensions.get("tcs_events")) is not None:
            registration.close()
        if (db := app.extensions.get("sqlalchemy")) is not None:
            with app.app_context():
                for engine in db.engines.values():
                    engine.dispose()


@pytest.fixture
def make_host(close_later: list[Flask]) -> MakeHost:
    """Build a host as documented: `make_host(url, blueprint, db=..., create=..., KEY=...)`."""

    def make(
        url: str,
        blueprint: Blueprint = events_bp,
        *,
        db: SQLAlchemy | None = None,
        create: bool = True,
        **config: object,
    ) -> Flask:
        app = Flask("host")
        app.config.update(SQLALCHEMY_DATABASE_URI=url, **config)
        db = db or SQLAlchemy()
        db.init_app(app)
        close_later.append(app)
        app.register_blueprint(blueprint)
        if create:
            make_tables(app, db)
        return app

    return make


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, database_url: str) -> Flask:
    """A host on each kind of database, with each face of the endpoint."""
    app = make_host(database_url)
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app
