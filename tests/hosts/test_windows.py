"""On Windows, too, a host starts, stores and counts: what Windows lacks is not needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

AS_ON_WINDOWS = """
import os, sys
LACKING = ("fcntl", "grp", "pwd", "resource", "termios")
for name in LACKING:
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "sched_getaffinity"):
    delattr(os, name)
import multiprocessing.context
del multiprocessing.context.ForkProcess

import importlib, pkgutil
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
import tcs_events

# One starts the demo when it is imported, the other only raises.
LEFT_OUT = ("tcs_events.demo.__main__", "tcs_events.database.postgres_url")
for module in pkgutil.walk_packages(tcs_events.__path__, "tcs_events."):
    if module.name not in LEFT_OUT:
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name not in LACKING, module  # others are those of an extra

app, db = Flask("host"), SQLAlchemy()
app.config["SQLALCHEMY_DATABASE_URI"] = sys.argv[1]
db.init_app(app)
app.register_blueprint(tcs_events.events_bp)
with app.app_context():
    db.create_all()
event = {"event_type": "card_click", "session_id": "visitor-1"}
assert app.test_client().post("/api/events", json=event).status_code == 202
counted = app.test_cli_runner().invoke(args=["tcs-events", "rollup"])
assert "Counted 1 day with 1 event." in counted.output, repr(counted)
"""


def test_an_app_starts_stores_and_counts_without_what_windows_lacks(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS, f"sqlite:///{tmp_path}/host.db"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
