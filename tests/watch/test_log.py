"""If the log cannot be written, events are still stored and answered 202."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from flask import Flask
from structlog.testing import capture_logs

from tcs_events.watch.log import MAX_WAITING_LINES, Log, log
from tests.conftest import MakeHost
from tests.support import URL, card_click, post, stored, wait_until

ON_A_FULL_DISK = """
import json, sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import create_blueprint
app, db = Flask("host"), SQLAlchemy()
app.config["SQLALCHEMY_DATABASE_URI"] = sys.argv[1]
db.init_app(app)
app.register_blueprint(create_blueprint(keep_rejected=10, health_access=lambda: True))
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
    """Run Python with its standard output, where structlog writes, on a full disk."""
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-u", "-c", code, *args]
        return subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)


def test_events_are_stored_while_the_disk_of_the_log_is_full(sqlite_url: str) -> None:
    result = on_a_full_disk(ON_A_FULL_DISK, sqlite_url, json.dumps(card_click()))
    statuses, notes = json.loads(result.stderr.splitlines()[-1])
    assert statuses == [202, 422, 202, 202, 200]
    assert notes["log_lines_lost"] >= 5


def test_a_full_disk_is_one_indeed() -> None:
    """The control for the tests that use it."""
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


class Hanging:
    """A log whose reader has stopped. Writing waits until the reader goes on."""

    def __init__(self) -> None:
        self.reads = threading.Event()
        self.hangs = threading.Event()
        self.has_stopped = False
        self.lines: list[str] = []

    def __call__(self, logger: object, name: str, event_dict: dict[str, Any]) -> str:
        if self.has_stopped:
            self.hangs.set()
            self.reads.wait(120)
        self.lines.append(event_dict["event"])
        raise structlog.DropEvent


def test_a_log_that_hangs_holds_up_one_request_and_no_other(app: Flask) -> None:
    log_of_the_host, answers = Hanging(), list[int]()
    structlog.configure(processors=[log_of_the_host])
    assert post(app).status_code == 202
    log_of_the_host.has_stopped = True
    threads = [
        threading.Thread(target=lambda: answers.append(post(app).status_code)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    assert log_of_the_host.hangs.wait(60)
    wait_until(lambda: len(answers) == 5, 20)
    assert answers == [202] * 5
    log_of_the_host.reads.set()
    for thread in threads:
        thread.join(120)
    assert answers == [202] * 6
    assert log_of_the_host.lines.count("tcs_events.event_accepted") == 7  # none is lost


def test_a_line_that_another_thread_writes_has_what_its_own_request_has_bound() -> None:
    hanging, lines = Hanging(), list[tuple[str, int]]()

    def keep(logger: object, name: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        lines.append((event_dict["event"], event_dict["request_id"]))
        return event_dict

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep, hanging])
    hanging.has_stopped = True

    def visit(number: int) -> None:
        structlog.contextvars.bind_contextvars(request_id=number)
        log.info(f"line of {number}")

    first = threading.Thread(target=visit, args=(0,))
    first.start()
    assert hanging.hangs.wait(60)
    others = [threading.Thread(target=visit, args=(number,)) for number in range(1, 4)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(120)
    assert lines == [("line of 0", 0)]
    hanging.reads.set()
    first.join(120)
    assert sorted(lines) == [(f"line of {number}", number) for number in range(4)]


@pytest.mark.parametrize(
    ("setting", "level"), [("info", "info"), ("debug", "debug"), ("off", None)]
)
def test_a_setting_lowers_the_line_of_a_stored_event(
    make_host: MakeHost, sqlite_url: str, setting: str, level: str | None
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_ACCEPTED_LOG_LEVEL=setting)
    post(app)
    with capture_logs() as lines:
        post(app, event_id=str(UUID(int=1)))
        post(app, event_id=str(UUID(int=1)))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        (f"tcs_events.event_{how}", level) for how in ("accepted", "duplicate") if level
    ]


def test_lines_beyond_what_may_wait_are_lost_and_counted() -> None:
    hanging = Hanging()
    structlog.configure(processors=[hanging])
    hanging.has_stopped = True
    writer = threading.Thread(target=lambda: log.info("first"))
    writer.start()
    assert hanging.hangs.wait(60)
    lost = Log.lost_lines
    for _ in range(MAX_WAITING_LINES + 7):
        log.info("more")
    assert Log.lost_lines - lost == 7
    hanging.reads.set()
    writer.join(120)
    log.info("last")
    assert hanging.lines == ["first", *["more"] * MAX_WAITING_LINES, "last"]
