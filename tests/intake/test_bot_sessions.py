"""Sessions of crawlers are stored and marked, and reports leave them out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from tcs_events import UserEvent, UserEventBotSession, reports
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, need, stored

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, database_url: str) -> Flask:
    found = importlib.util.find_spec("crawleruseragents")
    need(found, "crawler-user-agents", "pip install -e '.[test]'")
    app = make_host(database_url, TCS_EVENTS_BOTS="mark")
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


def send(app: Flask, agent: str, path: str = "", **body: Any) -> TestResponse:
    headers = {"User-Agent": agent}
    return app.test_client().post(URL + path, json=body or card_click(), headers=headers)


def marked(app: Flask) -> list[str]:
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        rows: Sequence[Any] = session.scalars(
            select(UserEventBotSession).order_by(UserEventBotSession.id)
        ).all()
        assert all(datetime.now(UTC) - row.marked_at < timedelta(minutes=1) for row in rows)
        return sorted(row.session_id for row in rows)


def sessions_of_today(app: Flask) -> tuple[int, int, int]:
    """Return how many sessions the counts, the funnel and retention see."""
    with app.app_context():
        app.extensions["tcs_events"].refresher.refresh()
        period = reports.last_days(2)
        rows = reports.activity(period, "day")
        counted = sum(row.sessions for row in rows if row.event_type == "card_click")
        [step] = reports.funnel(period, [reports.step("card_click")])
        cohorts = reports.retention(period, "day")
        return counted, step.sessions, sum(cohort.size for cohort in cohorts)


def test_its_events_are_stored_and_its_session_is_marked_once(app: Flask) -> None:
    for _ in range(3):
        answer = send(app, GOOGLEBOT)
        assert (answer.status_code, answer.json) == (202, {"status": "accepted"})
    send(app, BROWSER, **card_click(session_id="visitor-2"))
    assert len(stored(app)) == 4
    assert marked(app) == ["visitor-1"]


def test_each_session_of_a_batch_is_marked_if_an_event_of_it_is_good(app: Flask) -> None:
    events = [card_click(), card_click(session_id="visitor-2"), card_click(session_id="v-3")]
    events.append(card_click(session_id="bad", event_id="1"))
    send(app, GOOGLEBOT, "/batch", events=events)
    assert marked(app) == ["v-3", "visitor-1", "visitor-2"]


def test_who_identifies_itself_is_marked_too(app: Flask) -> None:
    send(app, GOOGLEBOT, "/identify", session_id="visitor-1", email="ada@example.com")
    assert marked(app) == ["visitor-1"]


def test_reports_leave_it_out_and_the_rows_stay(app: Flask) -> None:
    send(app, BROWSER, **card_click(session_id="visitor-2"))
    assert sessions_of_today(app) == (1, 1, 1)
    send(app, GOOGLEBOT)
    assert sessions_of_today(app) == (1, 1, 1)
    with app.app_context():
        assert len(reports.session_timeline("visitor-1")) == 1


def test_a_session_that_was_counted_already_is_counted_out_again(app: Flask) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        for name in ("visitor-1", "visitor-2"):
            event = UserEvent(session_id=name, event_type="card_click", payload={})
            event.created_at = event.received_at = yesterday
            session.add(event)
        session.commit()
        refresher = app.extensions["tcs_events"].refresher
        refresher.refresh()
        # So long ago that the refresh does not look at that day by itself any more.
        later = refresher._now()
        refresher._clock = lambda: later + timedelta(minutes=2)
        refresher.refresh()
        refresher._clock = lambda: later + timedelta(minutes=4)
        assert refresher.refresh().days == []
    assert sessions_of_today(app)[0] == 2

    send(app, GOOGLEBOT)

    assert sessions_of_today(app) == (1, 1, 1)


def test_where_it_cannot_be_marked_it_is_not_stored_either(app: Flask) -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        connection.execute(text("DROP TABLE user_event_bot_sessions"))
    with capture_logs() as logs:
        answer = send(app, GOOGLEBOT)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    missing = [entry for entry in logs if entry["event"] == "tcs_events.table_missing"]
    assert {entry["table"] for entry in missing} == {"user_event_bot_sessions"}
    assert stored(app) == []
    assert send(app, BROWSER).status_code == 202
    assert sessions_of_today(app) == (1, 1, 1)


def test_what_a_process_remembers_is_bounded(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    from tcs_events.intake import bot_sessions

    monkeypatch.setattr(bot_sessions, "REMEMBERED", 2)
    for number in range(5):
        send(app, GOOGLEBOT, **card_click(session_id=f"visitor-{number}"))
    send(app, GOOGLEBOT, **card_click(session_id="visitor-0"))
    with app.app_context():
        marks = app.extensions["tcs_events"].bot_marks
    assert list(marks._marked) == ["visitor-4", "visitor-0"]
    assert len(marked(app)) == 5


def test_a_session_that_is_known_costs_no_question(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(app, GOOGLEBOT)
    asked: list[Callable[[], Any]] = []
    monkeypatch.setattr(
        "tcs_events.intake.bot_sessions.run_with_timeout", lambda _, ask: asked.append(ask)
    )
    send(app, GOOGLEBOT)
    send(app, BROWSER, **card_click(session_id="visitor-2"))
    assert asked == []
    send(app, GOOGLEBOT, **card_click(session_id="visitor-2"))
    assert len(asked) == 1
