"""The tutorial shows the booking site as it is tested, and each of its steps does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.pages import page
from tests.support import ROOT, need_module
from tests.tutorial import BUILT, GENERATED, host_files, shown_command, shown_files, write_site

Follow = Callable[..., list[str]]

VISITOR = """
import runpy, shlex, sys
sys.modules.update(dict.fromkeys({missing}))  # as if they were not installed
from app import app
visitor = app.test_client()
visitor.set_cookie("tcs_session_id", "visitor-1")
def flask(command):
    result = app.test_cli_runner().invoke(args=shlex.split(command)[3:])  # flask --app app ...
    assert result.exit_code == 0, result.output
    return result.output
def send(event_type, payload):
    event = {{"event_type": event_type, "session_id": "visitor-1", "payload": payload}}
    with visitor.post("/api/events", json=event) as answer:  # to its end, as a server does
        return answer.status_code
"""
LATER = ["celery", "flask_login", "psycopg", "pytest"]
"""What the first steps do without."""
LOG_LINE = re.compile(r"^.*\] tcs_events\..*\n", re.MULTILINE)


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    """Follow the page up to a step, do something, and return the lines that are printed."""

    def follow(last_step: int | None, script: str, missing: Sequence[str] = ()) -> list[str]:
        write_site(tmp_path, last_step)
        result = subprocess.run(
            [sys.executable, "-c", VISITOR.format(missing=missing) + script],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return LOG_LINE.sub("", result.stdout).splitlines()

    return follow


def test_the_page_shows_the_files_of_the_site() -> None:
    shown, there = shown_files(), host_files()
    assert set(shown) == set(there) - {GENERATED}
    for name, text in shown.items():
        assert lines(text) == lines(there[name]), name


def lines(text: str) -> list[str]:
    """Return the lines that are not empty: a formatter chooses how many of those there are."""
    return [line for line in text.splitlines() if line]


def test_its_list_has_every_file() -> None:
    listed = re.findall(
        r"^  ([\w./]+\.\w+)", page("tutorial").block("text", "rooms/"), re.MULTILINE
    )
    assert sorted(listed) == sorted({*shown_files(), GENERATED, BUILT})


def test_the_first_steps_need_nothing_but_the_package(follow: Follow) -> None:
    """A page, an event, what was stored, a question; then a booking, which is the same visit."""
    said = follow(
        3,
        f"""
flask({shown_command("create-tables")!r})
home = visitor.get("/").text
print(home.count("data-track-event"), "/api/events/client.js" in home)
print(visitor.get("/rooms/garden").status_code, visitor.get("/rooms/cellar").status_code)
print(send("room_opened", {{"room_id": "garden", "source": "list"}}))
print(send("room_opened", {{"room_id": "garden", "source": "roof"}}))
runpy.run_path("ask.py")
print("room_opened" in flask({shown_command("tcs-events tail")!r}))
print("room_opened[source=list]" in flask({shown_command("funnel")!r}))
""",
        LATER,
    )
    assert said[:4] == ["3 True", "200 404", "202", "422"]
    assert said[4:6] == page("tutorial").block("text", "booking_done: 0").splitlines()
    assert said[6:] == ["True", "True"]

    said = follow(
        4,
        f"""
flask({shown_command("create-tables")!r})
print('action="/bookings"' in visitor.get("/rooms/garden").text)
for room in ("garden", "cellar"):
    form = {{"room_id": room, "nights": "2", "plan": "saver"}}
    print(visitor.post("/bookings", data=form).status_code)
runpy.run_path("ask.py")
""",
        LATER,
    )
    assert said == ["True", "302", "404", "room_opened[source=list]: 1", "booking_done: 1"]


def test_the_dashboard_is_for_staff(follow: Follow) -> None:
    need_module("flask_login")
    add = shown_command("login add")
    said = follow(
        5,
        f"""
flask({shown_command("create-tables")!r})
flask({add!r} + " --password secret")
flask({add.replace("ada@example.com --staff", "bob@example.com")!r} + " --password secret")
def log_in(email, password="secret"):
    return visitor.post("/login", data={{"email": email, "password": password}}).location
print(send("room_opened", {{"room_id": "garden", "source": "list"}}))
print(visitor.get("/insights/").location, log_in("ada@example.com", "a guess"))
print(log_in("bob@example.com"), visitor.get("/insights/").status_code)
print(visitor.post("/logout").location, visitor.get("/insights/").location)
print(log_in("ada@example.com"), visitor.get("/insights/").status_code)
print("You are ada@example.com" in visitor.get("/login").text)
print(send("room_opened", {{"room_id": "lake", "source": "list"}}))
timeline = flask({shown_command("timeline")!r})
print(timeline.index("garden") < timeline.index("lake"))
visitor.post("/logout")
new = {{"email": "eve@example.com", "password": "secret", "plan": "club"}}
print(visitor.get("/sign-up").status_code, visitor.post("/sign-up", data=new).location)
print(visitor.get("/insights/").status_code, visitor.post("/sign-up", data=new).location)
stored = flask({shown_command("tcs-events tail")!r})
print(stored.count("sign_up"), "club" in stored)
""",
        ["celery", "psycopg"],
    )
    assert said == [
        "202",
        "/login /login",
        "/ 403",
        "/login /login",
        "/insights/ 200",
        "True",
        "202",
        "True",
        "200 /",
        "403 /login",
        "1 True",
    ]


def test_its_own_tests_pass(follow: Follow) -> None:
    for module in ("celery", "flask_login"):
        need_module(module)
    said = follow(None, "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider']))")
    assert "4 passed" in said[-1]
