"""In debug mode a page shows what became of the last events, and the log why one was refused."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, ValidationError, fields, validates
from structlog.testing import capture_logs

from tcs_events import EventInvalid, create_blueprint, track
from tcs_events.intake.intake import Intake
from tcs_events.intake.recent import KEPT
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, need_module, post

PAGE = f"{URL}/debug"
EVENT_ID = "4dc5ee0f-9f9c-4c1c-b9d1-4ff4ee9a5ee5"
TAG = re.compile(r"<[^>]*>")


class Plan(Schema):
    plan = fields.String(required=True)

    @validates("plan")
    def check(self, value: str, **_: Any) -> None:
        if value != "free":
            raise ValidationError(f"{value} is not on sale.")


plans = create_blueprint(event_types={"plan_chosen": Plan, "card_click": None})


@pytest.fixture(params=["view", "middleware"])
def face(request: pytest.FixtureRequest) -> str:
    face: str = request.param
    return face


@pytest.fixture
def make(make_host: MakeHost, sqlite_url: str, face: str) -> Any:
    def make(**config: object) -> Flask:
        app = make_host(sqlite_url, plans, **{"DEBUG": True, **config})
        if face == "middleware":
            app.wsgi_app = EventsMiddleware(app)
        return app

    return make


def shown(client: FlaskClient) -> list[str]:
    """Return the text of each entry of the page, without its time."""
    answer = client.get(PAGE)
    assert answer.status_code == 200
    entries = answer.text.split('<li class="event">')[1:]
    texts = (unescape(" ".join(TAG.sub(" ", entry).split())) for entry in entries)
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", text.split(" // Get")[0]) for text in texts]


def test_every_outcome_is_shown_the_newest_first(make: Any) -> None:
    need_module("limits")
    app = make(TCS_EVENTS_SESSION_LIMIT="3/day", TCS_EVENTS_RESPECT_DNT=True)
    client = app.test_client()
    assert shown(client) == []
    assert "No event has come yet" in client.get(PAGE).text
    post(client, event_id=EVENT_ID)
    post(client, event_id=EVENT_ID)
    client.post(URL, json=card_click(), headers={"DNT": "1"})
    client.post(URL, json=card_click(), headers={"Sec-GPC": "1"})
    post(client, event_type="crd_click")
    post(client)
    post(client)
    payload = 'Payload { "context": "grid", "expert_id": "ada" }'
    refused, limited, *others = shown(client)[::-1][4:]
    assert shown(client)[::-1][:4] == [
        f"accepted card_click visitor-1 {payload}",
        f"duplicate card_click visitor-1 {payload}",
        "opted_out an event The browser asks not to be tracked: it sends DNT: 1."
        " What it sent was not read.",
        "opted_out an event The browser asks not to be tracked: it sends Sec-GPC: 1."
        " What it sent was not read.",
    ]
    assert refused.startswith(
        "invalid crd_click visitor-1 event_type Must be one of: plan_chosen, card_click."
        " unplanned"
        ' What was sent { "event_type": "crd_click",'
    )
    assert limited == f"accepted card_click visitor-1 {payload}"
    assert others == [
        "limited card_click visitor-1 Too many events came from this session. It sends them again."
        f" {payload}"
    ]


def test_each_event_of_a_batch_is_shown(make: Any) -> None:
    client = make().test_client()
    bad = {"event_type": "plan_chosen", "session_id": "s", "payload": {"plan": "gold"}}
    client.post(f"{URL}/batch", json={"events": [card_click(), bad, 7]})
    no_object, refused, accepted = shown(client)
    assert accepted.startswith("accepted card_click visitor-1")
    assert refused.startswith(
        "invalid plan_chosen s payload.plan gold is not on sale. not_allowed What"
    )
    assert no_object.startswith("invalid an event")
    assert no_object.endswith("What was sent 7")


@pytest.mark.parametrize(
    ("path", "sent", "text"),
    [
        ("", {"data": b"{"}, "JSON"),
        ("", {"data": b" " * 70_000}, "The body is larger than 65536 bytes."),
        ("", {"headers": {"Content-Encoding": "br"}}, "The body has a Content-Encoding."),
        ("/batch", {"data": b"{"}, "JSON"),
        ("/batch", {"json": {"events": []}}, "events Must be 1 to"),
    ],
)
def test_a_body_that_cannot_be_read_is_shown_once(
    make: Any, path: str, sent: dict[str, Any], text: str
) -> None:
    client = make().test_client()
    client.post(URL + path, **sent)
    [entry] = shown(client)
    assert entry.startswith("invalid an event ")
    assert text in entry


def test_what_the_hosts_python_records_is_shown(make: Any) -> None:
    app = make()
    app.test_client().get(PAGE)
    with app.app_context():
        track("plan_chosen", {"plan": "free"}, session_id="s")
        with pytest.raises(EventInvalid):
            track("plan_chosen", {"plan": "gold"}, session_id="s")
        with pytest.raises(EventInvalid):
            track("plan_chosen", {"plan": "free"})
    homeless, refused, accepted = shown(app.test_client())
    assert accepted == 'accepted plan_chosen s Payload { "plan": "free" }'
    assert refused.startswith("invalid plan_chosen s payload.plan gold is not on sale. not_allowed")
    assert homeless.startswith("invalid plan_chosen session_id Outside a request, pass the ")


def test_an_event_that_could_not_be_stored_is_shown(make: Any) -> None:
    app = make()
    with app.app_context():
        app.extensions["sqlalchemy"].drop_all()
    client = app.test_client()
    assert post(client).status_code == 503
    [entry] = shown(client)
    assert entry.startswith("failed card_click visitor-1 There is no table user_events; run")


def test_what_was_sent_is_escaped(make: Any) -> None:
    client = make().test_client()
    text = "</pre><script>alert(1)</script>\ud800\x00"
    post(client, event_type=text, session_id=text, payload={text: text})
    post(client, payload={"<b>": "<i>"})
    page = client.get(PAGE).text
    assert "<script>" not in page
    assert "<b>" not in page
    assert "alert(1)" in page


def test_the_page_lets_nothing_of_others_in(make: Any) -> None:
    answer = make().test_client().get(PAGE)
    policy = answer.headers["Content-Security-Policy"]
    [nonce] = set(re.findall(r"'nonce-([^']+)'", policy))
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert len(re.findall(f'<(?:style|script) nonce="{nonce}"', answer.text)) == 2
    assert len(re.findall("<(?:style|script)", answer.text)) == 2
    assert nonce not in make().test_client().get(PAGE).text
    assert answer.headers["Cache-Control"] == "no-store"


def test_only_the_last_events_are_kept_and_long_texts_are_cut(make: Any) -> None:
    client = make(
        TCS_EVENTS_MAX_BODY_BYTES=1_000_000, TCS_EVENTS_MAX_BATCH_EVENTS=100
    ).test_client()
    post(client, payload={"text": "x" * 100_000})
    assert len(client.get(PAGE).data) < 30_000
    batch = {"events": [card_click(session_id=f"visitor {n}") for n in range(100)]}
    for _ in range(3):
        client.post(f"{URL}/batch", json=batch)
    assert len(shown(client)) == KEPT
    assert f"The last {KEPT} of 301 entries" in client.get(PAGE).text


class TestOutsideDebugMode:
    def test_there_is_no_page_and_nothing_is_remembered(self, make: Any) -> None:
        app = make(DEBUG=False)
        client = app.test_client()
        assert post(client).status_code == 202
        answer = client.get(PAGE)
        assert (answer.status_code, answer.mimetype) == (404, "application/json")
        registration = app.extensions["tcs_events"]
        assert registration.recent is None
        assert type(registration.collector._events) is Intake

    def test_nor_where_debug_mode_is_turned_on_later(self, make: Any) -> None:
        app = make(DEBUG=False)
        client = app.test_client()
        post(client)
        app.debug = True
        assert client.get(PAGE).status_code == 404

    def test_nor_where_it_is_turned_off_later(self, make: Any) -> None:
        app = make()
        client = app.test_client()
        post(client)
        app.debug = False
        post(client)
        assert client.get(PAGE).status_code == 404
        assert app.extensions["tcs_events"].recent.total == 1

    def test_no_value_is_logged(self, make: Any) -> None:
        client = make(DEBUG=False).test_client()
        with capture_logs() as logs:
            post(client, event_type="plan_chosen", payload={"plan": "my secret"})
        assert [line["event"] for line in logs if "invalid" in line["event"]]
        assert "secret" not in str(logs)


def refusals(logs: list[Any]) -> list[dict[str, Any]]:
    return [line for line in logs if line["event"] == "tcs_events.event_refused"]


def test_each_reason_of_a_refused_event_is_logged(make: Any) -> None:
    client = make().test_client()
    with capture_logs() as logs:
        post(client, event_type="plan_chosen", payload={"plan": "gold"})
    assert refusals(logs) == [
        {
            "event": "tcs_events.event_refused",
            "log_level": "warning",
            "event_type": "plan_chosen",
            "path": "payload.plan",
            "code": "not_allowed",
            "reason": "gold is not on sale.",
        }
    ]
    with capture_logs() as logs:
        client.post(f"{URL}/batch", json={"events": [card_click(), {}, card_click(payload=7)]})
    assert [(line["event_type"], line["path"]) for line in refusals(logs)] == [
        (None, "event_type"),
        (None, "session_id"),
        ("card_click", "payload"),
    ]


def test_a_flood_of_refused_events_does_not_fill_the_log(make: Any) -> None:
    client = make(TCS_EVENTS_MAX_BATCH_EVENTS=1_000).test_client()
    batch = {"events": [{} for _ in range(1_000)]}  # each for two reasons
    with capture_logs() as logs:
        client.post(f"{URL}/batch", json=batch)
    assert 50 <= len(refusals(logs)) <= 1_000  # 50 a second
