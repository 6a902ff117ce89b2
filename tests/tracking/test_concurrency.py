"""Many threads, greenlets and processes record at the same time, each in its own transactions."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tcs_events import UserEvent
from tests.conftest import MakeHost
from tests.support import ROOT, need_module

HOST = """
import sys

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import events_bp, track

app = Flask("host")
app.config.update(SQLALCHEMY_DATABASE_URI=sys.argv[1], TESTING=True, TCS_EVENTS_TIMEOUT_MS=1800)
db = SQLAlchemy(app)
app.register_blueprint(events_bp)


def record(number):
    for kind in ("committed", "rolled back", "at once"):
        with app.app_context():
            db.session.execute(db.text("SELECT 1"))
            track("card_click", {"kind": kind}, session_id="s", after_commit=kind != "at once")
            db.session.commit() if kind == "committed" else db.session.rollback()


"""
RUNS = {
    "threads": """
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(8) as pool:
    list(pool.map(record, range(20)))
""",
    "gevent": """
import gevent

gevent.joinall([gevent.spawn(record, number) for number in range(20)], raise_error=True)
""",
    "fork": """
import os

record(0)
children = []
for _ in range(2):
    if not (child := os.fork()):
        for number in range(9):
            record(number)
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
record(1)
""",
}


@pytest.mark.parametrize("how", RUNS)
def test_each_records_what_it_has_committed(
    make_host: MakeHost, database_url: str, how: str
) -> None:
    app = make_host(database_url)
    patch = ""
    if how == "gevent":
        need_module("gevent")
        patch = "from gevent import monkey; monkey.patch_all()\n"
    command = [sys.executable, "-c", patch + HOST + RUNS[how], database_url]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    with app.app_context():
        kinds = Counter(found.payload["kind"] for found in UserEvent.query)
    assert kinds == {"committed": 20, "at once": 20}
