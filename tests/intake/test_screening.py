"""Events of visitors who opted out, and of crawlers, are answered and counted, but not stored."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from tcs_events import ConfigError
from tcs_events.event import Outcome
from tcs_events.host.wiring import prepare
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.figures.browsers import BROWSERS
from tests.support import URL, card_click, need, stored

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
EMAIL = "ada@example.com"
MakeApp = Callable[..., Flask]
BODIES: dict[str, Any] = {
    "": card_click(email=EMAIL),
    "/batch": {"events": [card_click(), card_click(email=EMAIL), {"event_type": "nonsense"}]},
    "/identify": {"session_id": "visitor-1", "email": EMAIL},
}
EVENTS = {"": 1, "/batch": 3, "/identify": 1}


@pytest.fixture
def _bots() -> None:
    found = importlib.util.find_spec("crawleruseragents")
    need(found, "crawler-user-agents", "pip install -e '.[test]'")


@pytest.fixture(params=["view", "middleware"])
def make_app(request: pytest.FixtureRequest, make_host: MakeHost, database_url: str) -> MakeApp:
    def make(**config: object) -> Flask:
        app = make_host(database_url, **config)
        if request.param == "middleware":
            app.wsgi_app = EventsMiddleware(app)
        return app

    return make


def send(app: Flask, path: str, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().post(URL + path, json=BODIES[path], headers=named)


def ended(app: Flask, path: str) -> dict[tuple[Outcome, str], int]:
    counted = app.extensions["tcs_events"].counters.counted()
    outcomes: dict[tuple[Outcome, str], int]
    outcomes = counted.identities if path == "/identify" else counted.outcomes
    return outcomes


def rows_of_any_table(app: Flask) -> int:
    from sqlalchemy import text

    with app.app_context():
        tables = app.extensions["tcs_events"].tables
        with app.extensions["sqlalchemy"].engine.connect() as connection:
            return sum(
                connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables
            )


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("config", "headers", "verdict"),
    [
        ({}, {"Sec_GPC": "1"}, (Outcome.OPTED_OUT, "gpc")),
        ({"TCS_EVENTS_RESPECT_DNT": True}, {"DNT": "1"}, (Outcome.OPTED_OUT, "dnt")),
        ({"TCS_EVENTS_BOTS": "drop"}, {"User_Agent": GOOGLEBOT}, (Outcome.BOT, "crawler")),
    ],
    ids=["gpc", "dnt", "crawler"],
)
@pytest.mark.usefixtures("_bots")
def test_nothing_is_kept_or_said_of_it_but_why(
    make_app: MakeApp,
    path: str,
    config: dict[str, object],
    headers: dict[str, str],
    verdict: tuple[Outcome, str],
) -> None:
    app = make_app(TCS_EVENTS_KEEP_REJECTED=100, **config)
    with app.app_context():
        prepare(app)
    with capture_logs() as logs:
        answer = send(app, path, **headers)
    outcome, reason = verdict
    assert answer.status_code == 202
    assert (answer.json["status"], answer.json["reason"]) == ("ignored", reason)
    assert logs == [
        {"event": f"tcs_events.event_{outcome}", "reason": reason, "log_level": "debug"}
    ]
    assert rows_of_any_table(app) == 0
    assert ended(app, path) == {verdict: EVENTS[path]}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("config", "headers"),
    [
        ({"TCS_EVENTS_RESPECT_GPC": False}, {"Sec_GPC": "1"}),
        ({}, {"DNT": "1"}),
        ({}, {"User_Agent": GOOGLEBOT}),
        ({"TCS_EVENTS_RESPECT_DNT": True}, {"Sec_GPC": "0", "DNT": "0"}),
        ({"TCS_EVENTS_RESPECT_DNT": True}, {"Sec_GPC": "", "DNT": ""}),
        ({"TCS_EVENTS_BOTS": "drop"}, {"User_Agent": ""}),
        ({"TCS_EVENTS_BOTS": "drop"}, {"User_Agent": BROWSERS[0]}),
        ({}, {"Sec_Purpose": "prefetch;prerender", "Purpose": "prefetch"}),
    ],
)
@pytest.mark.usefixtures("_bots")
def test_everybody_else_is_welcome(
    make_host: MakeHost, sqlite_url: str, path: str, config: Any, headers: dict[str, str]
) -> None:
    app = make_host(sqlite_url, **config)
    send(app, path, **headers)
    assert ended(app, path)[Outcome.ACCEPTED, ""] > 0


def test_an_ignored_batch_is_answered_in_the_shape_of_a_batch(make_app: MakeApp) -> None:
    answer = send(make_app(), "/batch", Sec_GPC="1")
    assert answer.json == {
        "status": "ignored",
        "reason": "gpc",
        "accepted": 0,
        "duplicates": 0,
        "rejected": [],
    }


class TestBots:
    pytestmark = pytest.mark.usefixtures("_bots")

    def test_no_real_browser_is_taken_for_a_crawler(self) -> None:
        from tcs_events.intake.bots import is_crawler

        assert len(set(BROWSERS)) >= 40
        assert [agent for agent in BROWSERS if is_crawler(agent)] == []

    def test_every_known_crawler_is_caught(self) -> None:
        from tcs_events.intake.bots import MAX_LENGTH, is_crawler
        from tests.figures.crawlers import known_crawlers

        assert len(known_crawlers()) > 1000
        assert [agent for agent in known_crawlers() if not is_crawler(agent)] == []
        assert max(map(len, known_crawlers())) < MAX_LENGTH

    def test_a_user_agent_is_looked_at_once_and_only_so_far(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tcs_events.intake import bots

        looked_at: list[int] = []

        def look(agent: str) -> bool:
            looked_at.append(len(agent))
            return False

        bots._verdict.cache_clear()
        monkeypatch.setattr(bots, "_is_listed", look)
        for end in range(50):
            bots.is_crawler("x" * 8_000 + str(end))
        assert looked_at == [bots.MAX_LENGTH]
        for number in range(bots.REMEMBERED + 100):
            bots.is_crawler(f"agent {number}")
        assert bots._verdict.cache_info().currsize == bots.REMEMBERED
        bots._verdict.cache_clear()

    def test_the_figure_is_that_of_the_rule(self) -> None:
        from tests.figures.crawlers import flagged_and_caught

        [row] = flagged_and_caught(100)
        assert (row.measured, row.met, row.control_failed) == ("0.0 %; 100.0 %", True, True)


def test_without_the_extra_the_app_says_what_to_install(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "crawleruseragents" else find(name),
    )
    with pytest.raises(ConfigError) as caught:
        make_host(sqlite_url, TCS_EVENTS_BOTS="drop")
    assert str(caught.value) == (
        "TCS_EVENTS_BOTS is 'drop', which needs crawler-user-agents:"
        " pip install 'tcs-events[bots]'."
    )


def test_by_default_the_list_is_not_even_imported(tmp_path: Any) -> None:
    import subprocess
    import sys

    from tests.support import ROOT

    code = """
import json, sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import events_bp
app = Flask("host")
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db = SQLAlchemy(app)
app.register_blueprint(events_bp)
with app.app_context():
    db.create_all()
event = {"event_type": "card_click", "session_id": "s"}
print(json.dumps([app.test_client().post("/api/events", json=event).status_code,
                  "crawleruseragents" in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [202, False]


def test_stored_as_ever_by_default(make_app: MakeApp) -> None:
    app = make_app()
    assert send(app, "", User_Agent=GOOGLEBOT).json == {"status": "accepted"}
    assert len(stored(app)) == 1
