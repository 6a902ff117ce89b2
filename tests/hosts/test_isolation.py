"""Hosts whose connections are not in the usual kind of transaction."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, event, text

from tcs_events.counts import counting
from tcs_events.host import registration_of
from tests.conftest import MakeHost
from tests.drivers import POSTGRES_DRIVERS, database_by
from tests.support import post, stored, wait_until

LONG_AGO_MS = int(timedelta(days=6).total_seconds() * 1000)
AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}


def begin_as_sqlalchemy_says(engine: Engine) -> None:
    """Take transactions out of the driver's hands, as SQLAlchemy's page on SQLite has it."""

    @event.listens_for(engine, "connect")
    def connected(driver: Any, _: object) -> None:
        driver.isolation_level = None

    @event.listens_for(engine, "begin")
    def began(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


@pytest.fixture(params=["sqlite", *POSTGRES_DRIVERS])
def database_url(request: pytest.FixtureRequest) -> str:
    return database_by(request, request.param)


@pytest.fixture(
    params=["AUTOCOMMIT", "AUTOCOMMIT by execution_options", "strict", "the driver's default"]
)
def host(request: pytest.FixtureRequest, make_host: MakeHost, database_url: str) -> Flask:
    """A host on each kind of database, with its connections set up in one of four ways."""
    is_sqlite, db = database_url.startswith("sqlite"), SQLAlchemy()
    options: dict[str, dict[str, object]] = {
        "AUTOCOMMIT": AUTOCOMMIT,
        "AUTOCOMMIT by execution_options": {"execution_options": AUTOCOMMIT},
        "strict": {} if is_sqlite else {"isolation_level": "REPEATABLE READ"},
        "the driver's default": {},
    }
    app = make_host(
        database_url, db=db, create=False, SQLALCHEMY_ENGINE_OPTIONS=options[request.param]
    )
    with app.app_context():
        if is_sqlite and request.param == "strict":
            begin_as_sqlalchemy_says(db.engine)
        db.create_all()
    return app


def settings_of(app: Flask) -> tuple[object, ...]:
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        if connection.dialect.name == "mysql":
            names = ["autocommit", "tx_isolation", "character_set_client", "collation_connection"]
            names += ["max_statement_time", "innodb_lock_wait_timeout", "lock_wait_timeout"]
            query = f"SELECT {', '.join(f'@@{name}' for name in names)}"
            return (driver.charset, *connection.execute(text(query)).one())
        return getattr(driver, "isolation_level", None), getattr(driver, "autocommit", None)


def counted_days(app: Flask) -> list[int]:
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        query = "SELECT events FROM user_event_rollup_days ORDER BY day"
        return [row.events for row in connection.execute(text(query))]


def test_all_commands_work_in_it_and_leave_its_connections_as_they_were(
    host: Flask, tmp_path: Path
) -> None:
    was = settings_of(host)
    post(host, session_id="old", age_ms=LONG_AGO_MS)
    post(host, session_id="gone", email="ada@example.com")
    post(host, session_id="stays")
    for command in (
        ["rollup"],
        ["gaps"],
        ["retention"],
        ["export", str(tmp_path / "events.csv")],
        ["export-subject", "--email", "ada@example.com"],
        ["prune", "--older-than", "5d"],
        ["forget", "--email", "ada@example.com", "--yes"],
        ["rollup"],
    ):
        result = host.test_cli_runner().invoke(args=["tcs-events", *command])
        assert result.exit_code == 0, (command, result.output)
    assert [row["session_id"] for row in stored(host)] == ["stays"]
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 4
    assert counted_days(host) == [1]
    assert settings_of(host) == was


def test_a_day_that_cannot_be_counted_anew_keeps_its_counts(
    host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of it the old counts are deleted, and the new ones not written."""
    post(host)
    with host.app_context():
        refresher = registration_of(host).refresher
        refresher.refresh()
        post(host)

        def fail(*_: object) -> None:
            raise RuntimeError("in the middle")

        monkeypatch.setattr(counting, "replace_counts", fail)
        with pytest.raises(RuntimeError, match="in the middle"):
            refresher.refresh()
        assert counted_days(host) == [1]
        monkeypatch.undo()
        refresher.refresh()
    assert counted_days(host) == [2]


@pytest.mark.parametrize("driver", [*POSTGRES_DRIVERS, "mariadb"])
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_who_waits_for_another_transaction_goes_on_after_it(
    make_host: MakeHost, request: pytest.FixtureRequest, level: str, driver: str
) -> None:
    url = database_by(request, driver)
    app = make_host(url, SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": level})
    post(app)
    with app.app_context():
        refresher = registration_of(app).refresher
        refresher.refresh()
        post(app)
        refreshed: list[object] = []
        refreshing = threading.Thread(target=lambda: refreshed.append(refresher.refresh()))
        with app.extensions["sqlalchemy"].engine.connect() as other:
            other.execute(text("UPDATE user_event_rollup_state SET seen_id = seen_id"))
            refreshing.start()
            wait_until(lambda: is_somebody_waiting(app))
            other.commit()
        refreshing.join(60)
    assert refreshed
    assert counted_days(app) == [2]


def is_somebody_waiting(app: Flask) -> bool:
    with app.extensions["sqlalchemy"].engine.connect() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        if connection.dialect.name == "mysql":
            query = (
                "SELECT count(*) FROM information_schema.processlist WHERE db = database()"
                " AND id <> connection_id() AND info LIKE 'UPDATE%' AND time_ms > 100"
            )
        return bool(connection.scalar(text(query)))


def test_an_event_is_stored_where_tests_put_a_connection_for_the_engine(
    make_host: MakeHost, database_url: str
) -> None:
    """Test suites do so to roll back whatever a test commits."""
    app = make_host(database_url)
    with app.app_context():
        engines = app.extensions["sqlalchemy"].engines
        engine = engines[None]
        with engine.connect() as connection, connection.begin():
            engines[None] = connection
            assert post(app).status_code == 202
        engines[None] = engine
    assert len(stored(app)) == 1
