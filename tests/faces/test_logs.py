"""A log record is one line without any data of the visitor, whatever is sent or fails."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from tcs_events.errors import RateLimited
from tests.faces.hosts import FACES, hosted
from tests.faces.logs import CANARY, RENDERERS, Log, knock, logged
from tests.faces.naughty import NAUGHTY, TEXTS
from tests.support import URL, card_click


def check(log: Log) -> None:
    """Check that a log has one line per record, and nothing of the visitor."""
    lines = log.text.splitlines()
    assert log.records > 0
    assert len(lines) == log.records == log.text.count("\n")
    assert CANARY not in log.text
    assert all(line.isprintable() for line in lines)


LEAKS = ("Traceback", "sqlite3", "psycopg", "/tmp", "SELECT", "INSERT", "sqlalchemy", "Error(")


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("face", FACES)
def test_a_record_is_one_line_without_the_visitor(tmp_path: Path, face: str, renderer: str) -> None:
    texts = TEXTS if renderer == "console" else NAUGHTY["terminals"]
    with hosted(f"sqlite:///{tmp_path}/host.db", face) as app, logged(renderer) as log:
        answers = knock(app, texts)
    assert {answer.status_code for answer in answers} == {202, 405, 413, 415, 422}
    check(log)
    if renderer == "json":
        for line in log.text.splitlines():
            json.loads(line)


class Deny:
    """A limit that has been reached."""

    def check_client(self, address: str, events: int) -> None:
        raise RateLimited("client", 7)

    def check_sessions(self, events: Any) -> None:
        raise RateLimited("session", 7)


@pytest.mark.parametrize("face", FACES)
def test_nothing_of_a_visitor_who_sends_too_much_is_logged(tmp_path: Path, face: str) -> None:
    with hosted(f"sqlite:///{tmp_path}/host.db", face) as app, logged("logfmt") as log:
        app.extensions["tcs_events"].limits = Deny()
        answers = knock(app, [""])
    assert 429 in {answer.status_code for answer in answers}
    check(log)


BREAK = {
    "no table": "DROP TABLE user_events",
    "no column": "ALTER TABLE user_events RENAME COLUMN payload TO other",
    "a rule of the host's": "CREATE UNIQUE INDEX only_one ON user_events (session_id)",
}


@pytest.mark.parametrize("trouble", BREAK)
def test_an_error_of_the_database_is_told_by_its_name_alone(
    database_url: str, trouble: str
) -> None:
    """The database's message quotes the row, so it must not be in the log or in an answer."""
    with hosted(database_url) as app, logged("key value") as log:
        with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
            connection.execute(text(BREAK[trouble]))
        answers = knock(app, ["", "'"])
    if trouble != "a rule of the host's":
        assert 503 in {answer.status_code for answer in answers}
    for answer in answers:
        assert not any(leak in answer.text for leak in LEAKS)
        assert answer.status_code != 503 or answer.headers["Retry-After"]
    assert not any(leak in log.text for leak in ("Traceback", "SELECT", "INSERT", "VALUES"))
    check(log)


def test_a_database_in_memory_tells_no_more() -> None:
    """For it SQLAlchemy writes, and its errors quote every parameter."""
    with hosted("sqlite://") as app, logged("key value") as log:
        with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
            connection.execute(text(BREAK["no column"]))
        answers = knock(app, [""])
    assert 503 in {answer.status_code for answer in answers}
    check(log)


def test_a_locked_database_tells_no_more(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/host.db"
    with hosted(url, TCS_EVENTS_TIMEOUT_MS=100) as app, logged("key value") as log:
        app.test_client().post(URL, json=card_click())
        other = sqlite3.connect(tmp_path / "host.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = app.test_client().post(URL, json=card_click(session_id=CANARY))
        other.close()
    assert answer.status_code == 503
    check(log)


def test_a_line_with_the_visitor_in_it_is_noticed() -> None:
    """The control: a log that quotes what was sent fails the check."""
    for said in (CANARY, "a\nb", "\x1b[31m"):
        with logged("console") as log:
            structlog.get_logger().info(f"refused {said}", session="x")
        with pytest.raises(AssertionError):
            check(log)
