"""The site of the tutorial runs as the page says: its questions, its dashboard, its own tests."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import page
from tests.support import ROOT
from tests.tutorial import write_site

ASK = """
import runpy, sys, pytest
assert pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir=.", "test_events.py"]) == 0
from test_events import app, post
post("room_opened", {"room_id": "garden", "source": "list"})
post("booking_done", {"room_id": "garden", "nights": 2})
print("ASKED")
runpy.run_path("ask.py")
for words in (["tcs-events", "tail"], sys.argv[1:]):
    print(app.test_cli_runner().invoke(args=words).output)
"""
BROWSE = """
from app import app
client = app.test_client()
print("BROWSED")
print(client.get("/insights/").status_code, client.get("/insights/").location)
print(client.get("/login").status_code)
print(client.post("/login", data={"password": "wrong"}).location)
print(client.get("/insights/").status_code)
print(client.post("/login", data={"password": "change me, too"}).location)
for name in ("", "activity", "funnel?step=room_opened&step=booking_done", "retention", "timeline"):
    print(client.get(f"/insights/{name}").status_code)
print(client.get("/").text.count('{"id": "garden"'))
print(client.post("/bookings", data={"room_id": "garden"}).json)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_site(tmp_path)
    return tmp_path


def run(site: Path, script: str, *arguments: str) -> str:
    """Run a script in the folder of the site, and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_its_own_tests_pass_and_its_questions_are_answered(site: Path) -> None:
    command = page("tutorial").block("sh", "funnel").removeprefix("flask --app app ")
    said = run(site, ASK, *shlex.split(command))
    assert "2 passed" in said
    answer, _, rest = said.partition("ASKED\n")[2].partition("booking_done: 1\n")
    assert "room_opened[source=list]: 1\n" in answer
    tail, _, funnel = rest.partition("\n\n")
    assert '"nights": 2' in tail
    assert "booking_done" in funnel


def test_the_dashboard_is_for_staff(site: Path) -> None:
    said = run(site, BROWSE).partition("BROWSED\n")[2]
    lines = [line for line in said.splitlines() if "tables_ready" not in line]
    assert lines[:5] == ["302 /login", "200", "/login", "302", "/insights/"]
    assert lines[5:10] == ["200"] * 5
    assert lines[10:] == ["1", "{'booked': 'garden'}"]


def test_every_file_in_its_list_is_made(site: Path) -> None:
    [listed] = page("tutorial").blocks("text")
    files = set(re.findall(r"^ +([\w./]+\.\w+)", listed, re.MULTILINE)) - {"static/rooms.js"}
    made = {path.name for path in site.rglob("*") if path.is_file()}
    assert {Path(file).name for file in files} <= made
