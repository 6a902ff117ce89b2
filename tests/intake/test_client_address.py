"""A client's address is in no table, no log line and no file, whatever happens."""

from __future__ import annotations

import contextlib
import io
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from sqlalchemy import text

from tests.conftest import MakeHost
from tests.rights.tables import all_tables
from tests.support import URL, card_click

PEER, FORWARDED, REAL, FOR = "203.0.113.77", "198.51.100.88", "192.0.2.99", "2001:db8::dead:beef"
CANARIES = (PEER, FORWARDED, REAL, FOR)
CLIENT = {
    "environ_base": {"REMOTE_ADDR": PEER, "REMOTE_PORT": "4711"},
    "headers": {
        "X-Forwarded-For": f"{FORWARDED}, {PEER}",
        "X-Real-IP": REAL,
        "True-Client-IP": REAL,
        "Forwarded": f'for="[{FOR}]"',
    },
}
LINK = {"session_id": "visitor-1", "email": "ada@example.com"}
REQUESTS: list[tuple[str, Any]] = [
    (URL, {"json": card_click()}),
    (URL, {"json": card_click(email="ada@example.com")}),
    (URL, {"json": card_click(session_id="")}),
    (URL, {"json": card_click(event_type="none")}),
    (URL, {"data": b"no JSON"}),
    (URL, {"data": b"x" * 70_000}),
    (f"{URL}/batch", {"json": {"events": [card_click(), card_click(session_id="")]}}),
    (f"{URL}/batch", {"json": {"events": []}}),
    (f"{URL}/identify", {"json": LINK}),
    (f"{URL}/identify", {"json": {**LINK, "email": "none"}}),
    (f"{URL}/nowhere", {"json": {}}),
]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that structlog and logging write, from the lowest level on."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(0),
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(said),
    )
    yield said
    root.setLevel(level)
    root.removeHandler(handler)


def post_everything(app: Flask) -> set[int]:
    client = app.test_client()
    return {client.post(path, **CLIENT, **body).status_code for path, body in REQUESTS}


def found(app: Flask, log: io.StringIO, folder: Path) -> dict[str, list[str]]:
    """Return where the canaries are."""
    places = {"log": log.getvalue()}
    places |= {f"table {name}": str(rows) for name, rows in all_tables(app).items()}
    for file in folder.rglob("*"):
        if file.is_file():
            places[f"file {file.name}"] = file.read_bytes().decode("latin-1")
    return {
        place: there
        for place, text in places.items()
        if (there := [canary for canary in CANARIES if canary in text])
    }


def test_when_events_are_stored_and_refused(app: Flask, log: io.StringIO, tmp_path: Path) -> None:
    assert post_everything(app) == {202, 404, 413, 422}
    assert "tcs_events.event_accepted" in log.getvalue()
    assert found(app, log, tmp_path) == {}


def test_when_a_table_is_missing(app: Flask, log: io.StringIO, tmp_path: Path) -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        connection.execute(text("DROP TABLE user_events"))
        connection.execute(text("DROP TABLE user_event_identities"))
    assert 503 in post_everything(app)
    assert "tcs_events.event_failed" in log.getvalue()
    assert found(app, log, tmp_path) == {}


def test_when_the_database_is_locked(
    make_host: MakeHost, sqlite_url: str, log: io.StringIO, tmp_path: Path
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_TIMEOUT_MS=100)
    with contextlib.closing(sqlite3.connect(tmp_path / "host.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert 503 in post_everything(app)
    assert found(app, log, tmp_path) == {}


def test_it_would_be_seen_in_each_of_these_places(
    make_host: MakeHost, sqlite_url: str, log: io.StringIO, tmp_path: Path
) -> None:
    app = make_host(sqlite_url)
    client = app.test_client()
    client.post(URL, json=card_click(payload={"from": PEER}), **CLIENT)
    structlog.get_logger().info("said", client=FORWARDED)
    (tmp_path / "access.log").write_text(f"POST from {FOR}")
    there = found(app, log, tmp_path)
    assert {"log", "table user_events", "file access.log"} <= set(there)
    assert any(place.startswith("file host.db") for place in there)
