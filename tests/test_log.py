"""A log that cannot be written keeps no event from being stored, nor its answer from being 202."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask import Flask
from structlog.testing import capture_logs

from tcs_events.log import Log, log
from tests.support import URL, card_click, post, stored

ON_A_FULL_DISK = """
import json, sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import create_blueprint
app, db = Flask("host"), SQLAlchemy()
app.config["SQLALCHEMY_DATABASE_URI"] = sys.argv[1]
db.init_app(app)
app.register_blueprint(create_blueprint(keep_rejected=10))
with app.app_context():
    db.create_all()
client, event = app.test_client(), json.loads(sys.argv[2])
answers = [
    client.post("/api/events", json=event),
    client.post("/api/events", json={}),
    client.post("/api/events/batch", json={"events": [event, {}]}),
    client.post("/api/events/identify", json={"session_id": "s", "email": "ada@example.com"}),
    client.get("/api/events/health"),
]
notes = answers[-1].json["notes"]
print(json.dumps([[answer.status_code for answer in answers], notes]), file=sys.stderr)
"""


def on_a_full_disk(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the standard output, where structlog writes, on a disk that is full."""
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-u", "-c", code, *args]
        return subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)


def test_events_are_stored_while_the_disk_of_the_log_is_full(sqlite_url: str) -> None:
    result = on_a_full_disk(ON_A_FULL_DISK, sqlite_url, json.dumps(card_click()))
    statuses, notes = json.loads(result.stderr.splitlines()[-1])
    assert statuses == [202, 422, 202, 202, 200]
    assert notes["log_lines_lost"] >= 5


def test_a_full_disk_is_one_indeed() -> None:
    """The control."""
    code = "import structlog; structlog.get_logger().info('line')"
    assert "No space left on device" in on_a_full_disk(code).stderr


@pytest.fixture
def unwritable() -> Iterator[None]:
    def refuse(logger: object, name: str, event_dict: dict[str, Any]) -> str:
        raise TypeError("a value that this renderer cannot write")

    before = structlog.get_config()
    structlog.configure(processors=[refuse])
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("unwritable")
def test_a_processor_that_fails_breaks_no_request(app: Flask) -> None:
    lost = Log.lost_lines
    assert post(app).status_code == 202
    assert post(app, event_type="nonsense").status_code == 422
    answer = app.test_client().post(f"{URL}/batch", json={"events": [card_click()]})
    assert answer.status_code == 202
    assert len(stored(app)) == 2
    assert Log.lost_lines - lost == 4


def test_a_line_is_written_with_its_level_and_keys() -> None:
    with capture_logs() as lines:
        for level in ("debug", "info", "warning", "error"):
            getattr(log, level)("something", count=1)
            getattr(log.bind(), level)("something", count=1)
    assert [line["log_level"] for line in lines] == [
        level for level in ("debug", "info", "warning", "error") for _ in range(2)
    ]
    assert {(line["event"], line["count"]) for line in lines} == {("something", 1)}
