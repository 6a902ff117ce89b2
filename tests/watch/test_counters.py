"""Every event that reaches the endpoint is counted with exactly one outcome."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import threading
from collections import Counter
from typing import Any

from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tcs_events.event import Outcome
from tcs_events.watch.counters import LATENCY_BOUNDS_MS, Counted, Counters
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, post

ID = "0196f4c2-6b7a-7c3e-8f10-000000000001"


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url)
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


def counted(app: Flask) -> Counted:
    return app.extensions["tcs_events"].counters.counted()


def test_each_outcome_is_counted_with_its_reason(app: Flask) -> None:
    client = app.test_client()
    post(client, event_id=ID)
    post(client, event_id=ID)
    post(client, event_type="nonsense")
    post(client, payload=[])
    client.post(URL, data=b"{")
    client.post(URL, data=b"x" * 70_000)
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        connection.execute(text("DROP TABLE user_events"))
    post(client)
    assert counted(app).outcomes == {
        (Outcome.ACCEPTED, ""): 1,
        (Outcome.DUPLICATE, ""): 1,
        (Outcome.INVALID, "event_type"): 1,
        (Outcome.INVALID, "payload"): 1,
        (Outcome.INVALID, "schema"): 1,
        (Outcome.INVALID, "too_large"): 1,
        (Outcome.FAILED, "table_missing"): 1,
    }
    assert counted(app).received == counted(app).requests == 7


def test_each_event_of_a_batch_is_counted(app: Flask) -> None:
    events = [card_click(event_id=ID), card_click(event_id=ID), card_click(), card_click(payload=1)]
    app.test_client().post(f"{URL}/batch", json={"events": events})
    assert counted(app).outcomes == {
        (Outcome.ACCEPTED, ""): 2,
        (Outcome.DUPLICATE, ""): 1,
        (Outcome.INVALID, "payload"): 1,
    }
    assert (counted(app).received, counted(app).requests) == (4, 1)


def test_a_batch_that_is_too_large_is_counted_by_its_events(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_MAX_BATCH_EVENTS=2)
    app.test_client().post(f"{URL}/batch", json={"events": [card_click()] * 3})
    assert counted(app).outcomes == {(Outcome.INVALID, "events"): 3}


def test_identities_are_counted_by_themselves(app: Flask) -> None:
    client = app.test_client()
    for email in ("ada@example.com", "ada@example.com", "nobody"):
        client.post(f"{URL}/identify", json={"session_id": "visitor-1", "email": email})
    assert counted(app).outcomes == {}
    assert counted(app).identities == {
        (Outcome.ACCEPTED, ""): 1,
        (Outcome.DUPLICATE, ""): 1,
        (Outcome.INVALID, "email"): 1,
    }


EVENTS: st.SearchStrategy[Any] = st.sampled_from(
    [card_click(), card_click(event_id=ID), card_click(session_id=""), {}, None, 7]
)
BODIES: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just(""), EVENTS),
    st.tuples(st.just("/batch"), st.builds(lambda e: {"events": e}, st.lists(EVENTS, max_size=6))),
    st.tuples(st.just("/batch"), st.sampled_from([{"events": 3}, {}, None, []])),
)


@settings(max_examples=60, deadline=None)
@given(requests=st.lists(BODIES, max_size=8))
def test_the_outcomes_add_up_to_what_came(shared_app: Flask, requests: list[Any]) -> None:
    before = counted(shared_app)
    client = shared_app.test_client()
    for path, body in requests:
        client.post(URL + path, json=body)
    after = counted(shared_app)
    assert after.requests - before.requests == len(requests)
    assert after.received == sum(after.outcomes.values()) == sum(_held(after, before, requests))
    assert sum(after.latency) == after.requests


def _held(after: Counted, before: Counted, requests: list[Any]) -> list[int]:
    held = [before.received]
    for path, body in requests:
        events = body.get("events") if path and isinstance(body, dict) else None
        held.append(len(events) or 1 if isinstance(events, list) else 1)
    return held


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    from flask_sqlalchemy import SQLAlchemy

    from tcs_events import create_blueprint

    app = Flask("host")
    path = tmp_path_factory.mktemp("counted") / "host.db"
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{path}"
    db = SQLAlchemy(app)
    app.register_blueprint(create_blueprint())
    with app.app_context():
        db.create_all()
    return app


def test_no_count_is_lost_between_threads() -> None:
    counters = Counters()

    def count() -> None:
        for _ in range(2_000):
            counters.end([(Outcome.ACCEPTED, "", 1)], 0.0015)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = counters.counted()
    assert counted.received == counted.requests == counted.outcomes[Outcome.ACCEPTED, ""] == 16_000
    assert Counter(dict(zip(LATENCY_BOUNDS_MS, counted.latency, strict=False)))[2] == 16_000


def test_a_latency_belongs_to_the_class_that_it_does_not_exceed() -> None:
    counters = Counters()
    for seconds in (0.0, 0.001, 0.0011, 2.0, 2.1):
        counters.end([], seconds)
    assert counters.counted().latency == (2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1)
