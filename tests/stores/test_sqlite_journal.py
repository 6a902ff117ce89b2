"""The journal of an SQLite file: ours by default, the host's where the host has chosen one."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, event, text

from tcs_events import create_blueprint
from tests.conftest import MakeHost
from tests.support import post, stored, wait_until

OTHERS = ["DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"]


def journal_of(path: Path) -> str:
    """Return the journal that the file itself asks for: WAL, or any other."""
    return "wal" if path.read_bytes()[18] == 2 else "rollback"


def pragma(app: Flask, name: str) -> object:
    """Return a PRAGMA of the connection that events are written on."""
    with app.app_context():
        driver = app.extensions["tcs_events"].store.own_connection(float("inf"))
        return driver.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture(params=["class", "engine"])
def sets_journal(request: pytest.FixtureRequest) -> Any:
    """Makes the connections of an app set a journal, by one of the two usual ways."""
    listening: list[tuple[Any, Callable[..., None]]] = []

    def set_journal(app: Flask, mode: str) -> None:
        def connected(driver: Any, record: Any) -> None:
            driver.execute(f"PRAGMA journal_mode={mode}").fetchall()

        with app.app_context():
            engine = app.extensions["sqlalchemy"].engine
        target = Engine if request.param == "class" else engine
        engine.dispose()
        event.listen(target, "connect", connected)
        listening.append((target, connected))

    yield set_journal
    for target, connected in listening:
        event.remove(target, "connect", connected)


@pytest.mark.parametrize("mode", OTHERS)
def test_a_host_that_sets_its_journal_keeps_it_and_its_pages(
    make_host: MakeHost, sqlite_url: str, path: Path, sets_journal: Any, mode: str
) -> None:
    app = make_host(sqlite_url)
    sets_journal(app, mode)
    with app.app_context(), ExitStack() as pages:
        engine = app.extensions["sqlalchemy"].engine
        for number in range(3):
            assert post(app).status_code == 202
            # A page connects anew, as each thread of a server does.
            page = pages.enter_context(engine.connect())
            page.execute(text(f"CREATE TABLE page_{number} (id INTEGER)"))
            page.commit()
    assert journal_of(path) == "rollback"
    assert len(stored(app)) == 3


def test_control_a_journal_that_is_switched_under_such_a_host_locks_its_pages(
    make_host: MakeHost, sqlite_url: str, sets_journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcs_events.database.sqlite_journal.HostsChoice._note", lambda *_: None)
    app = make_host(sqlite_url)
    sets_journal(app, "DELETE")
    assert post(app).status_code == 202
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        with pytest.raises(Exception, match="database is locked"):
            engine.connect()  # a page that connects anew


def test_a_host_that_sets_wal_gets_it(
    make_host: MakeHost, sqlite_url: str, path: Path, sets_journal: Any
) -> None:
    app = make_host(sqlite_url)
    sets_journal(app, "wal")
    assert post(app).status_code == 202
    assert journal_of(path) == "wal"
    assert pragma(app, "synchronous") == 2


def test_without_a_word_of_the_host_the_file_has_the_write_ahead_log(
    make_host: MakeHost, sqlite_url: str, path: Path
) -> None:
    app = make_host(sqlite_url)
    assert journal_of(path) == "rollback"  # until the first event
    assert post(app).status_code == 202
    assert journal_of(path) == "wal"


@pytest.mark.parametrize("way", ["setting", "listener"])
def test_with_the_hosts_journal_each_commit_is_synced(
    make_host: MakeHost, sqlite_url: str, sets_journal: Any, way: str
) -> None:
    config = {"TCS_EVENTS_SQLITE_JOURNAL": "host"} if way == "setting" else {}
    app = make_host(sqlite_url, **config)
    if way == "listener":
        sets_journal(app, "MEMORY")  # lost with the process, in the middle of a commit
    assert post(app).status_code == 202
    assert (pragma(app, "journal_mode"), pragma(app, "synchronous")) == ("delete", 3)  # EXTRA


def test_with_the_hosts_journal_a_copy_of_the_file_is_whole(
    make_host: MakeHost, sqlite_url: str, path: Path, tmp_path: Path
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_SQLITE_JOURNAL="host")
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        with engine.begin() as page:
            page.execute(text("CREATE TABLE orders (id INTEGER)"))
        assert post(app).status_code == 202
        with engine.begin() as page:
            page.execute(text("INSERT INTO orders VALUES (1)"))
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with sqlite3.connect(copy) as backup:
        assert backup.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        assert backup.execute("SELECT count(*) FROM user_events").fetchone() == (1,)


def test_with_the_hosts_journal_an_event_waits_for_a_reader(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_SQLITE_JOURNAL="host")
    assert post(app).status_code == 202
    statuses: list[int] = []
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        with engine.connect() as reader:
            reader.exec_driver_sql("BEGIN")
            reader.execute(text("SELECT count(*) FROM user_events")).all()
            sender = threading.Thread(target=lambda: statuses.append(post(app).status_code))
            sender.start()
            sender.join(0.2)
            assert statuses == []
            reader.rollback()
        wait_until(lambda: statuses == [202])
        sender.join()
    assert len(stored(app)) == 2


def test_a_host_with_a_creator_of_its_own_keeps_its_journal(path: Path, sqlite_url: str) -> None:
    def connect() -> sqlite3.Connection:
        driver = sqlite3.connect(path, check_same_thread=False)
        driver.execute("PRAGMA journal_mode=TRUNCATE").fetchall()
        return driver

    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"creator": connect}
    db = SQLAlchemy(app)
    app.register_blueprint(create_blueprint())
    with app.app_context():
        db.create_all()
        assert post(app).status_code == 202
        db.engine.dispose()
        with db.engine.connect() as page:
            assert page.exec_driver_sql("PRAGMA journal_mode").scalar() == "truncate"
        assert post(app).status_code == 202
        app.extensions["tcs_events"].close()
        db.engine.dispose()
    assert journal_of(path) == "rollback"


@pytest.mark.parametrize(
    ("config", "mode", "chosen_by"),
    [
        ({}, "wal", "tcs_events"),
        ({"TCS_EVENTS_SQLITE_JOURNAL": "host"}, "delete", "TCS_EVENTS_SQLITE_JOURNAL"),
    ],
)
def test_doctor_shows_the_journal_and_who_set_it(
    make_host: MakeHost, sqlite_url: str, config: dict[str, object], mode: str, chosen_by: str
) -> None:
    app = make_host(sqlite_url, **config)
    output = app.test_cli_runner().invoke(args=["tcs-events", "doctor"]).output
    assert f"SQLite journal {mode} (set by {chosen_by})" in " ".join(output.split())


def test_doctor_names_the_app_as_the_one_who_set_the_journal(
    make_host: MakeHost, sqlite_url: str, sets_journal: Any
) -> None:
    app = make_host(sqlite_url)
    sets_journal(app, "TRUNCATE")
    output = app.test_cli_runner().invoke(args=["tcs-events", "doctor"]).output
    assert "SQLite journal truncate (set by the app)" in " ".join(output.split())
