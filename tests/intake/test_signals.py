"""A host's own code is told what became of an event, and can break nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from blinker import NamedSignal
from flask import Flask, current_app
from structlog.testing import capture_logs

from tcs_events import UserEvent, create_blueprint, event_accepted, event_rejected
from tcs_events.host import registration_of
from tcs_events.payloads import PAYLOAD_SCHEMAS
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, post

Listen = Callable[[NamedSignal, Callable[..., None]], None]


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, database_url: str) -> Flask:
    blueprint = create_blueprint(event_types=PAYLOAD_SCHEMAS)
    app = make_host(database_url, blueprint, TCS_EVENTS_KEEP_REJECTED=10)
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


@pytest.fixture
def listen(app: Flask) -> Iterator[Listen]:
    with ExitStack() as connected:

        def listen(signal: NamedSignal, receiver: Callable[..., None]) -> None:
            connected.enter_context(signal.connected_to(receiver, sender=app))

        yield listen


def test_a_new_event_is_told_of_once_it_is_stored(app: Flask, listen: Listen) -> None:
    heard: list[Any] = []

    def receiver(sender: Flask, event: Any) -> None:
        stored = UserEvent.query.filter_by(event_id=event.event_id).one()
        assert sender is app is current_app._get_current_object()
        assert [getattr(stored, name) for name in event._fields] == list(event)
        heard.append(event)

    listen(event_accepted, receiver)
    event_id = str(uuid4())
    for _ in range(2):  # the second one is a duplicate
        sent = {"event_id": event_id, "email": "ada@example.com", "age_ms": 61_000}
        assert post(app, **sent).status_code == 202
    [event] = heard
    assert event.event_id == UUID(event_id)
    assert event.payload == card_click()["payload"]
    assert (event.received_at - event.created_at).total_seconds() == 61


def test_each_event_of_a_batch_is_told_of_for_itself(app: Flask, listen: Listen) -> None:
    new: list[str] = []
    refused: list[Any] = []
    listen(event_accepted, lambda _, event: new.append(event.session_id))
    listen(event_rejected, lambda _, sent, errors: refused.append((sent, errors)))
    known = card_click(event_id=str(uuid4()), session_id="known")
    app.test_client().post(URL, json=known)
    bad = card_click(payload={"expert_id": "ada", "context": "nowhere"})
    events = [card_click(session_id="a"), known, bad, 7, card_click(session_id="b")]
    answer = app.test_client().post(f"{URL}/batch", json={"events": events})
    assert answer.status_code == 202
    assert new == ["known", "a", "b"]
    assert [sent for sent, _ in refused] == [bad, 7]
    assert [errors for _, errors in refused] == [item["errors"] for item in answer.json["rejected"]]


def test_a_refused_event_is_told_of_with_what_is_wrong(app: Flask, listen: Listen) -> None:
    refused: list[Any] = []
    listen(event_rejected, lambda _, sent, errors: refused.append((sent, errors)))
    answer = post(app, event_type="no_such_type")
    assert answer.status_code == 422
    assert refused == [(card_click(event_type="no_such_type"), answer.json["errors"])]


def test_a_receiver_that_fails_breaks_nothing_and_is_logged_once(
    app: Flask, listen: Listen
) -> None:
    heard: list[str] = []

    def fails(_: Flask, event: Any) -> None:
        raise RuntimeError(f"no mail can be sent to {event.session_id}")

    listen(event_accepted, fails)
    listen(event_accepted, lambda _, event: heard.append(event.session_id))
    with capture_logs() as lines:
        answers = [post(app, session_id=f"visitor-{n}").status_code for n in range(3)]
    assert answers == [202] * 3
    assert sorted(heard) == ["visitor-0", "visitor-1", "visitor-2"]
    [line] = [line for line in lines if line["event"] == "tcs_events.receiver_failed"]
    assert line["receiver"].endswith("fails")
    assert line["reason"] == "RuntimeError"
    assert line["where"].startswith(f"{__file__}:")
    assert "visitor-0" not in str(line)
    counted = registration_of(app).counters.counted()
    assert counted.notes["receivers_failed"] == 3
    assert sum(counted.outcomes.values()) == counted.received == 3


def test_an_event_that_is_replayed_is_told_of(app: Flask, make_host: MakeHost) -> None:
    bad = {"expert_id": "ada", "context": "nowhere"}
    assert post(app, payload=bad, session_id="was refused").status_code == 422
    url, heard = app.config["SQLALCHEMY_DATABASE_URI"], []
    mended = make_host(url, create_blueprint(), create=False, TCS_EVENTS_KEEP_REJECTED=10)

    def receiver(_: Flask, event: Any) -> None:
        heard.append(event.session_id)

    with event_accepted.connected_to(receiver, sender=mended):
        for args in (["replay", "--dry-run"], ["replay"]):
            assert mended.test_cli_runner().invoke(args=["tcs-events", *args]).exit_code == 0
    assert heard == ["was refused"]
