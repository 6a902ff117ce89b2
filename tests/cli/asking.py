"""How tests run a command: in this process, or in one of its own that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from queue import Queue
from time import monotonic, sleep
from typing import Any

from click.testing import Result
from flask import Flask

from tcs_events import UserEvent
from tests.support import ROOT

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""
MARCH = ("--from", "2026-03-01", "--to", "2026-03-31")
WAIT_SECONDS = 120


def run(app: Flask, *args: str, **options: Any) -> Result:
    """Run `flask tcs-events` with these arguments."""
    result: Result = app.test_cli_runner().invoke(args=["tcs-events", *args], **options)
    return result


def ask(app: Flask, *args: str) -> Any:
    """Return the one JSON document that a command prints, read strictly."""
    result = run(app, *args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=lambda name: 1 / 0)


def lines(app: Flask, *args: str) -> list[str]:
    """Return the lines that a command prints for people."""
    result = run(app, *args)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def save(app: Flask, *records: object) -> None:
    """Store rows of our classes."""
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        session.add_all(records)
        session.commit()


def click(expert: str = "ada", session: str = "visitor-1", **fields: Any) -> UserEvent:
    payload = fields.pop("payload", {"expert_id": expert, "context": "grid"})
    fields = {"event_type": "card_click", "created_at": NOON, "received_at": NOON} | fields
    return UserEvent(session_id=session, payload=payload, **fields)


def query(text: str, session: str = "visitor-1", *found: str, **fields: Any) -> UserEvent:
    payload = {
        "query_text": text,
        "function_called": "search_experts",
        "result_count": len(found),
        "expert_ids": list(found),
        "filters": {},
    }
    return click(session=session, event_type="sage_query", payload=payload, **fields)


def change(name: str, value: object, left: int, session: str = "visitor-1") -> UserEvent:
    payload = {"filter": name, "value": value, "filters": {name: value}, "result_count": left}
    return click(session=session, event_type="filter_change", payload=payload)


def database_url_of(app: Flask) -> str:
    url: str = app.config["SQLALCHEMY_DATABASE_URI"]
    return url


class Running:
    """A command that runs, and the lines it has printed on stdout."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.lines.put(line.rstrip("\n"))

    def line(self) -> str:
        """Return the next line, when it comes."""
        return self.lines.get(timeout=WAIT_SECONDS)

    def end(self, signal: int) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(signal)
        return self.process.wait(WAIT_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(WAIT_SECONDS)


@contextmanager
def running(database_url: str, *args: str, program: str = "") -> Iterator[Running]:
    """Run a command in a process of its own, after some lines of Python if there are any."""
    code = f"{program}\nfrom flask.__main__ import main\nmain()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--app", "tests.cli.host", "tcs-events", *args],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    command = Running(process)
    try:
        yield command
    finally:
        command.kill()


def eventually(holds: Any) -> bool:
    """Return whether something holds before long."""
    deadline = monotonic() + WAIT_SECONDS
    while monotonic() < deadline:
        if holds():
            return True
        sleep(0.05)
    return False
