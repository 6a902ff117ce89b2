"""The booking site of the tutorial at work: a visitor in Chromium, gunicorn, PostgreSQL, a worker.

What the visitor does is recorded by the page in TypeScript, by the server and by a Celery worker,
and is one visit in the reports.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tcs_events import reports
from tests.browser.conftest import Site
from tests.pages import page as document
from tests.redis_server import RedisServer
from tests.support import ROOT, need_module, wait_until
from tests.tutorial import EVENT_TYPES, install_npm_packages, shown_command, write_site

PASSWORD = "a secret"


class BookingSite:
    """The site in a folder of its own, as the page of the tutorial builds and starts it."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command of the page."""
        program, *arguments = shlex.split(command)
        python = [] if program == "npx" else [sys.executable, "-m"]
        return subprocess.Popen(
            [*python, program, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str) -> str:
        """Run a command of the page to its end, and return what it prints."""
        process = self.start(command)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return said

    def add_user(self, email: str, options: str = "") -> None:
        command = shown_command("login add").replace("ada@example.com --staff", email)
        self.run(f"{command} {options} --password '{PASSWORD}'")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.database_url)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(sql))]
        engine.dispose()
        return rows


@pytest.fixture
def booking(tmp_path: Path, postgres_url: str, redis_server: RedisServer) -> Iterator[BookingSite]:
    for module in ("celery", "flask_login"):
        need_module(module)
    write_site(tmp_path)
    install_npm_packages(tmp_path)
    site = BookingSite(tmp_path, postgres_url, redis_server.url)
    site.run(shown_command("vite build"))
    site.run(shown_command("create-tables"))
    site.run(shown_command("doctor"))
    worker = site.start(shown_command("celery --app"))
    yield site
    worker.terminate()
    try:
        worker.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.communicate()


def of_type(events: list[dict[str, Any]], event_type: str) -> list[dict[str, Any]]:
    payloads = [event["payload"] for event in events if event["event_type"] == event_type]
    return [json.loads(payload) if isinstance(payload, str) else payload for payload in payloads]


def test_what_a_visitor_does_is_one_visit(
    booking: BookingSite, serve: Callable[..., Site], page: Any
) -> None:
    site = serve("app:app", booking.database_url, **booking.environment)
    page.goto(site.url)
    page.get_by_label("Name").fill("moon")
    page.get_by_role("button", name="Search").click()
    site.wait_for_events(4)
    page.get_by_label("Name").fill("")
    page.get_by_role("button", name="Search").click()
    page.get_by_label("At most").select_option("100")
    site.wait_for_events(6)
    page.get_by_role("link", name="Garden room").click()
    page.get_by_role("button", name="Book").click()
    site.wait_for_events(11)
    page.get_by_role("link", name="Garden room").click()
    page.get_by_role("button", name="Ask for a long stay").click()

    events = site.wait_for_events(13, seconds=120)  # the worker has just been started
    assert len(events) == 13
    [session_id] = {event["session_id"] for event in events}
    [cookie] = page.context.cookies()
    assert (cookie["name"], cookie["value"]) == ("tcs_session_id", session_id)
    assert of_type(events, "search") == [
        {"text": "moon", "found": 0, "rooms": [], "filters": {}},
        {"text": "", "found": 3, "rooms": ["garden", "tower", "lake"], "filters": {}},
    ]
    assert of_type(events, "filter_changed") == [
        {"filter": "max_price", "value": 100, "filters": {"max_price": 100}, "found": 1}
    ]
    assert len(of_type(events, "room_seen")) == 6
    assert of_type(events, "room_opened") == [{"room_id": "garden", "source": "list"}] * 2
    assert of_type(events, "booking_done") == [
        {"room_id": "garden", "nights": 2, "plan": "saver", "price": 160},
        {"room_id": "garden", "nights": 30, "plan": "flexible", "price": 2400},
    ]
    assert booking.rows("SELECT nights FROM booking ORDER BY nights") == [(2,), (30,)]

    engine = create_engine(booking.database_url)
    asked = reports.Reports(engine, timezone="UTC", event_types=EVENT_TYPES)
    days = reports.last_days(2, datetime.now(UTC).date())
    steps = [reports.step(step) for step in ("search", "room_opened", "booking_done[nights>7]")]
    assert [row.sessions for row in asked.funnel(days, steps)] == [1, 1, 1]
    [room] = asked.top_items(days)
    assert (room.item_id, room.clicks, room.sessions) == ("garden", 2, 1)
    engine.dispose()
    shown = document("tutorial").block("text", "moon")
    assert shown in booking.run(shown_command("gaps"))


def test_two_people_at_one_computer_stay_two(
    booking: BookingSite, serve: Callable[..., Site], page: Any
) -> None:
    site = serve("app:app", booking.database_url, **booking.environment)
    booking.add_user("ada@example.com", "--staff")
    booking.add_user("bob@example.com")

    def log_in(email: str, password: str = PASSWORD) -> None:
        page.goto(f"{site.url}/login")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()

    log_in("ada@example.com")
    page.wait_for_url("**/insights/")
    assert page.get_by_role("heading", level=1).is_visible()
    page.goto(site.url)
    site.wait_for_events(3)
    page.goto(f"{site.url}/login")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in").wait_for()

    log_in("bob@example.com")
    page.wait_for_url(f"{site.url}/")
    events = site.wait_for_events(6)
    ada, bob = dict.fromkeys(event["session_id"] for event in events)
    links = "SELECT session_id, email FROM user_event_identities ORDER BY email"
    wait_until(lambda: len(booking.rows(links)) == 2)
    assert booking.rows(links) == [(ada, "ada@example.com"), (bob, "bob@example.com")]
