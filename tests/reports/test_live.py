"""Who came lately, and what was refused lately."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from flask import Flask

from tcs_events import UserEventBotSession, reports
from tcs_events.dashboard import create_dashboard
from tcs_events.event import Event
from tests.conftest import MakeHost
from tests.dashboard.visitors import fill, visit
from tests.support import post

KNOWN = "visitor-3"


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    app = make_host(
        database_url,
        TCS_EVENTS_TIMEZONE="Asia/Kathmandu",
        TCS_EVENTS_BOTS="mark",
        TCS_EVENTS_KEEP_REJECTED=10,
    )
    app.register_blueprint(create_dashboard(lambda: True))
    return app


def lately(seed: int) -> list[Event]:
    """Return what some visitors did in the last two hours, not in order."""
    chance, now = random.Random(seed), datetime.now(UTC)
    events = []
    for number in range(300):
        session = f"visitor-{chance.randrange(40)}"
        at = now - timedelta(seconds=chance.randrange(2 * 3600))
        event_type = chance.choice(["card_click", "sage_query"])
        events.append(visit(session, event_type, at, (1 << 80) + number))
    events += [visit(KNOWN, "card_click", now, (2 << 80) + number) for number in range(2)]
    return events


def without_crawler(app: Flask, events: list[Event]) -> Iterator[Event]:
    """Store the events, mark one visitor as a crawler, and give the events of the others."""
    fill(app, events, {KNOWN: "ada@example.com"})
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        session.add(UserEventBotSession(session_id="visitor-7"))
        session.commit()
    return (event for event in events if event.session_id != "visitor-7")


@pytest.mark.parametrize(
    ("minutes", "event_type"), [(1, None), (30, None), (90, None), (90, "sage_query")]
)
def test_live_is_what_the_events_say(host: Flask, minutes: int, event_type: str | None) -> None:
    events = list(without_crawler(host, lately(minutes)))
    events = [event for event in events if event_type in (None, event.event_type)]
    with host.app_context():
        live = reports.live(minutes, event_type)
    zone = live.since.tzinfo
    assert live.since.second == 0
    assert str(zone) == "Asia/Kathmandu"
    assert timedelta(minutes=minutes - 1) <= live.until - live.since < timedelta(minutes=minutes)
    counted = [event for event in events if event.created_at >= live.since]
    assert live.events == len(counted)
    assert live.visitors == len({event.session_id for event in counted})
    assert len(live.by_minute) == minutes
    for place, minute in enumerate(live.by_minute):
        assert minute.starts_at == live.since + timedelta(minutes=place)
        # An event may be from after the last minute began to be read.
        end = minute.starts_at + timedelta(minutes=1 if place < minutes - 1 else 9)
        within = [event for event in counted if minute.starts_at <= event.created_at < end]
        assert minute.events == len(within)
        assert minute.visitors == len({event.session_id for event in within})


def test_when_more_events_came_than_are_read_it_says_since_when(
    host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    events = [
        visit("visitor-1", "card_click", now - timedelta(seconds=10 * back), (1 << 80) + back)
        for back in range(59, -1, -1)
    ]
    fill(host, events)
    monkeypatch.setattr(import_module("tcs_events.reports.live"), "LIVE_EVENTS", 30)
    with host.app_context():
        live = reports.live(60)
    assert events[30].created_at <= live.since < events[30].created_at + timedelta(minutes=1)
    counted = [event for event in events[30:] if event.created_at >= live.since]
    assert live.events == len(counted)


@pytest.mark.parametrize("event_type", [None, "card_click"])
def test_the_latest_visitors_are_those_who_came_last(host: Flask, event_type: str | None) -> None:
    events = list(without_crawler(host, lately(1)))
    events = [event for event in events if event_type in (None, event.event_type)]
    last: dict[str, Event] = {}
    for event in sorted(events, key=lambda event: event.created_at):
        last[event.session_id] = event
    expected = sorted(last.values(), key=lambda event: (event.created_at, event.session_id))[::-1]
    with host.app_context():
        found = reports.latest_visitors(12, event_type)
    assert [row.session_id for row in found] == [event.session_id for event in expected[:12]]
    assert [row.last_at for row in found] == [event.created_at for event in expected[:12]]
    assert [row.session_id for row in found if row.is_known] == [KNOWN]


def test_what_is_imported_now_is_neither_live_nor_latest(
    host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    module = import_module("tcs_events.reports.live")
    monkeypatch.setattr(module, "LIVE_EVENTS", 5)
    monkeypatch.setattr(module, "LATEST_EVENTS", 5)
    events = [visit(f"now-{number}", "card_click", now, number) for number in (1, 2, 3)]
    old = now - timedelta(days=700)
    events += [visit(f"old-{number}", "card_click", old, number) for number in range(4, 20)]
    fill(host, events)
    with host.app_context():
        assert reports.live().visitors == 3
        assert {row.session_id for row in reports.latest_visitors(3)} == {"now-1", "now-2", "now-3"}


def test_the_latest_refused_events_say_why(host: Flask) -> None:
    post(host, event_type="no_such_type")
    post(host, session_id=5)
    with host.app_context():
        newest, older = reports.latest_refused()
    assert older.event_type == "no_such_type"
    assert older.session_id == "visitor-1"
    assert older.reasons[0].startswith("event_type: ")
    assert newest.session_id is None
    assert newest.reasons == ["session_id: Not a valid string."]
    assert newest.received_at >= older.received_at
    client = host.test_client()
    rows = list(csv.DictReader(io.StringIO(client.get("/insights/csv/latest_refused.csv").text)))
    assert [row["reasons"] for row in rows] == ["; ".join(newest.reasons), "; ".join(older.reasons)]
    html = client.get("/insights/live").text
    assert "session_id: Not a valid string." in html
    assert 'href="/insights/timeline?days=30&amp;session=visitor-1"' in html


def test_refused_events_need_no_table(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    app.register_blueprint(create_dashboard(lambda: True))
    with app.app_context():
        assert reports.latest_refused() == []
    assert "Set TCS_EVENTS_KEEP_REJECTED" in app.test_client().get("/insights/live").text


@pytest.mark.parametrize("minutes", [0, 1441])
def test_minutes_have_bounds(host: Flask, minutes: int) -> None:
    with host.app_context(), pytest.raises(ValueError, match="1 to 1440"):
        reports.live(minutes)
