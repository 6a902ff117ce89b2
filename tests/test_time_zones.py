"""Without time zone data UTC works, and for any other zone the error says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from tcs_events.time_zones import _UTC_FILE
from tests.support import ROOT

HOST = """
import json, sys
sys.modules["tzdata"] = None  # the package that Python would fall back on
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import create_blueprint, reports
from tcs_events.dashboard import create_dashboard
from tcs_events.errors import ConfigError

app = Flask("bare")
app.config["SQLALCHEMY_DATABASE_URI"] = sys.argv[1]
if len(sys.argv) > 2:
    app.config["TCS_EVENTS_TIMEZONE"] = sys.argv[2]
db = SQLAlchemy(app)
try:
    app.register_blueprint(create_blueprint())
except ConfigError as error:
    sys.exit(str(error))
app.register_blueprint(create_dashboard(lambda: True))
with app.app_context():
    db.create_all()
event = {"event_type": "card_click", "session_id": "visitor-1", "payload": {"expert_id": "ada"}}
assert app.test_client().post("/api/events", json=event).status_code == 202
pages = ("", "activity", "funnel", "retention", "timeline?session=visitor-1")
for page in pages:
    assert app.test_client().get(f"/insights/{page}").status_code == 200
answer = app.test_client().get("/insights/api/activity.json").json
days = [row for row in answer["answer"]["activity"] if row["event_type"] == "card_click"]
with app.app_context():
    assert reports.total_activity(reports.last_days(1))["card_click"].events == 1
result = app.test_cli_runner().invoke(args=["tcs-events", "timeline", "visitor-1", "--json"])
assert json.loads(result.stdout)["rows"][0]["at"].endswith("+00:00")
sys.stderr.write(answer["timezone"] + " " + days[-1]["starts_at"][10:])
"""


def on_a_bare_machine(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HOST, *args],
        cwd=ROOT,
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("zone", [None, "UTC", "Etc/UTC"])
def test_utc_works(sqlite_url: str, zone: str | None) -> None:
    done = on_a_bare_machine(sqlite_url, *([zone] if zone else []))
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{zone or 'UTC'} T00:00:00+00:00"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
def test_any_other_zone_says_what_to_install(sqlite_url: str, zone: str) -> None:
    done = on_a_bare_machine(sqlite_url, zone)
    assert done.returncode == 1
    assert done.stderr == (
        f"TCS_EVENTS_TIMEZONE is '{zone}', but this machine has no time zone data:"
        " pip install tzdata.\n"
    )


def test_our_utc_is_utc() -> None:
    zone = ZoneInfo.from_file(BytesIO(_UTC_FILE), key="UTC")
    for at in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2037, 7, 1, tzinfo=UTC)):
        local = at.astimezone(zone)
        assert local == at
        assert local.replace(tzinfo=None) == at.replace(tzinfo=None)
        assert (local.utcoffset(), local.dst(), local.tzname()) == (
            timedelta(0),
            timedelta(0),
            "UTC",
        )
