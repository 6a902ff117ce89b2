"""The endpoint as a client sees it: what goes in, the answer, the row."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine, inspect, select, text
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from tcs_events import UserEvent, create_blueprint, events_bp
from tests.conftest import MakeHost
from tests.support import URL, card_click, post, stored

SEVEN_DAYS_MS = 7 * 24 * 3600 * 1000
AN_ID = "5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11"

ACCEPTED = [
    pytest.param({}, id="card_click"),
    pytest.param({"event_type": "sage_query"}, id="sage_query"),
    pytest.param({"event_type": "filter_change"}, id="filter_change"),
    pytest.param({"session_id": "s"}, id="session of 1 character"),
    pytest.param({"session_id": "s" * 64}, id="session of 64 characters"),
    pytest.param({"session_id": "\N{OWL}" * 64}, id="session of 64 characters of 4 bytes"),
    pytest.param({"session_id": "two words"}, id="session with a space"),
    pytest.param({"payload": ...}, id="no payload"),
    pytest.param({"payload": {"deep": [{"er": None}], "n": 1.5, "ü": "\N{OWL}"}}, id="any payload"),
    pytest.param({"event_id": AN_ID}, id="event_id"),
    pytest.param({"age_ms": 0}, id="age of 0"),
    pytest.param({"age_ms": SEVEN_DAYS_MS}, id="age of 7 days"),
    pytest.param({"email": "ada@example.com"}, id="email"),
    pytest.param({"email": None}, id="no email, spelt out"),
    pytest.param({"email": "a" * 64 + "@" + "b" * 63 + ".example"}, id="long email"),
    pytest.param({"id": 7, "received_at": "1999", "from_a_newer_tracker": 1}, id="unknown fields"),
]

REFUSED = [
    pytest.param({"event_type": "page_view"}, "event_type", id="type not allowed"),
    pytest.param({"event_type": "CARD_CLICK"}, "event_type", id="type in capitals"),
    pytest.param({"event_type": ...}, "event_type", id="no type"),
    pytest.param({"event_type": 1}, "event_type", id="type a number"),
    pytest.param({"event_type": ["card_click"]}, "event_type", id="type a list"),
    pytest.param({"event_type": {}}, "event_type", id="type an object"),
    pytest.param({"session_id": ...}, "session_id", id="no session"),
    pytest.param({"session_id": ""}, "session_id", id="session of 0 characters"),
    pytest.param({"session_id": "s" * 65}, "session_id", id="session of 65 characters"),
    pytest.param({"session_id": "   "}, "session_id", id="session of blanks"),
    pytest.param({"session_id": "a\nb"}, "session_id", id="session with a line break"),
    pytest.param({"session_id": 5}, "session_id", id="session a number"),
    pytest.param({"session_id": None}, "session_id", id="session null"),
    pytest.param({"payload": []}, "payload", id="payload a list"),
    pytest.param({"payload": "{}"}, "payload", id="payload a text"),
    pytest.param({"payload": None}, "payload", id="payload null"),
    pytest.param({"event_id": "42"}, "event_id", id="event_id no UUID"),
    pytest.param({"event_id": 42}, "event_id", id="event_id a number"),
]

MALFORMED = [
    pytest.param(b"", id="empty"),
    pytest.param(b"{", id="cut off"),
    pytest.param(b"event_type=card_click", id="a form"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'"card_click"', id="a text"),
    pytest.param(b"1", id="a number"),
    pytest.param(b"\xff\xfe", id="not UTF-8"),
    pytest.param(b'\xef\xbb\xbf{"event_type": "card_click", "session_id": "s"}', id="with a BOM"),
    pytest.param(json.dumps(card_click()).encode("utf-16"), id="UTF-16"),
    pytest.param(b"[" * 60_000, id="nested 60,000 deep, cut off"),
    pytest.param(b'{"a":' * 8_000 + b"1" + b"}" * 8_000, id="nested 8,000 deep"),
]


def spliced(value: str) -> bytes:
    """Return a good event with a JSON text as a value of its payload."""
    return (
        '{"event_type": "card_click", "session_id": "s", "payload": {"v": ' + value + "}}"
    ).encode("utf-8", "surrogatepass")


UNSTORABLE = [
    pytest.param(spliced("NaN"), id="NaN"),
    pytest.param(spliced("-Infinity"), id="-Infinity"),
    pytest.param(spliced("1e400"), id="1e400"),
    pytest.param(spliced("-1e16"), id="-1e16"),
    pytest.param(spliced("9" * 5000), id="5,000 digits"),
    pytest.param(spliced(str(2**53)), id="2^53"),
    pytest.param(spliced(r'"\u0000"'), id="NUL"),
    pytest.param(spliced(r'{"\u0000": 1}'), id="NUL in a key"),
    pytest.param(spliced(r'"\ud800"'), id="half a surrogate pair"),
    pytest.param(spliced('"\ud800"'), id="half a surrogate pair in raw bytes"),
    pytest.param(spliced("[" * 31 + "]" * 31), id="33 levels"),
]


@pytest.mark.parametrize("changes", ACCEPTED)
def test_an_allowed_event_is_answered_202_and_stored(app: Flask, changes: dict) -> None:
    answer = post(app, **changes)

    assert (answer.status_code, answer.json) == (202, {"status": "accepted"})
    with app.app_context():
        [row] = app.extensions["sqlalchemy"].session.scalars(select(UserEvent))
    sent = card_click(**changes)
    assert row.event_type == sent["event_type"]
    assert row.session_id == sent["session_id"]
    assert row.payload == sent.get("payload", {})
    assert row.email == sent.get("email")
    assert row.event_id == UUID(AN_ID) if "event_id" in sent else isinstance(row.event_id, UUID)
    age = timedelta(milliseconds=sent.get("age_ms", 0))
    assert row.received_at - row.created_at == age
    assert abs(datetime.now(UTC) - row.received_at) < timedelta(minutes=1)


@pytest.mark.parametrize(("changes", "field"), REFUSED)
def test_an_event_that_breaks_a_rule_is_answered_422_by_field(
    app: Flask, changes: dict, field: str
) -> None:
    answer = post(app, **changes)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]
    assert stored(app) == []


@pytest.mark.parametrize("body", MALFORMED + UNSTORABLE)
def test_a_body_that_cannot_be_an_event_is_answered_422_in_json(app: Flask, body: bytes) -> None:
    answer = app.test_client().post(URL, data=body)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["_schema"]
    assert stored(app) == []


def test_the_deepest_and_largest_values_that_are_allowed_are_read_back_equal(app: Flask) -> None:
    value = [2**53 - 1, -(2**53) + 1, 9007199254740991.0, -1.5e-300, 0.1, "\N{OWL}", ""]
    for _ in range(29):
        value = [value]
    answer = app.test_client().post(URL, data=spliced(json.dumps(value)))

    assert answer.status_code == 202
    with app.app_context():
        [row] = app.extensions["sqlalchemy"].session.scalars(select(UserEvent))
    assert row.payload == {"v": value}


def test_a_refused_type_is_told_the_allowed_ones(app: Flask) -> None:
    answer = post(app, event_type="page_view")
    message = "Must be one of: card_click, sage_query, filter_change."
    assert answer.json == {
        "errors": {"event_type": [message]},
        "details": [{"path": "event_type", "code": "unplanned", "message": message}],
    }


def test_every_wrong_field_is_named_at_once(app: Flask) -> None:
    answer = post(app, event_type="page_view", session_id="", event_id="1")
    assert set(answer.json["errors"]) == {"event_type", "session_id", "event_id"}


def test_a_repeated_event_id_is_answered_202_and_stored_once(app: Flask) -> None:
    first = post(app, event_id=AN_ID, payload={"take": 1})
    again = post(app, event_id=AN_ID.upper(), payload={"take": 2})

    assert (first.status_code, again.status_code) == (202, 202)
    with app.app_context():
        [row] = app.extensions["sqlalchemy"].session.scalars(select(UserEvent))
    assert row.payload == {"take": 1}


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain;charset=UTF-8", "text/html", None]
)
def test_the_body_is_json_whatever_its_content_type_says(
    app: Flask, content_type: str | None
) -> None:
    body = json.dumps(card_click())
    answer = app.test_client().post(URL, data=body, content_type=content_type)
    assert answer.status_code == 202


def test_a_form_post_is_not_an_event(app: Flask) -> None:
    assert app.test_client().post(URL, data=card_click(payload="{}")).status_code == 422


def body_of(length: int) -> bytes:
    return json.dumps(card_click()).encode().ljust(length)


def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_413(app: Flask) -> None:
    client = app.test_client()
    assert client.post(URL, data=body_of(64 * 1024)).status_code == 202
    answer = client.post(URL, data=body_of(64 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.json == {"errors": {"_schema": ["The body is larger than 65536 bytes."]}}
    assert len(stored(app)) == 1


def chunked(app: Flask, body: bytes) -> TestResponse:
    """Post a body whose length is not announced, as a server hands it over."""
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    return app.test_client().post(
        URL, input_stream=io.BytesIO(body), environ_overrides={**environ, "CONTENT_LENGTH": ""}
    )


def test_a_body_of_unknown_length_is_counted_while_it_is_read(app: Flask) -> None:
    assert chunked(app, body_of(64 * 1024)).status_code == 202
    assert chunked(app, body_of(64 * 1024 + 1)).status_code == 413


def test_a_body_that_a_hook_of_the_host_has_read_is_still_an_event(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    app.before_request(lambda: request.get_json(force=True) and None)
    assert post(app).status_code == 202
    assert chunked(app, body_of(1000)).status_code == 202


def test_a_tighter_limit_of_the_host_is_answered_in_json_too(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url, MAX_CONTENT_LENGTH=100)
    answer = app.test_client().post(URL, data=body_of(101))
    assert answer.status_code == 413
    assert answer.json == {"errors": {"_schema": ["The body is larger than 100 bytes."]}}


def test_a_trailing_slash_makes_no_difference(app: Flask) -> None:
    assert app.test_client().post(URL + "/", json=card_click()).status_code == 202


def test_the_blueprint_can_be_mounted_elsewhere(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, create_blueprint(url_prefix="/first"))
    other = make_host(sqlite_url, create=False)
    third = Flask("third")
    third.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    third.register_blueprint(events_bp, url_prefix="/third")
    assert app.test_client().post("/first", json=card_click()).status_code == 202
    assert other.test_client().post("/api/events", json=card_click()).status_code == 202
    assert third.test_client().get("/third/tracker.js").status_code == 200


def test_the_log_line_comes_after_the_commit(make_host: MakeHost, tmp_path: Path) -> None:
    file = tmp_path / "host.db"
    app = make_host(f"sqlite:///{file}")
    rows_when_logged: dict[str, int] = {}

    def count_rows(_: object, __: str, entry: dict) -> str:
        reader = create_engine(f"sqlite:///{file}")
        with reader.connect() as connection:
            rows_when_logged[entry["event"]] = connection.execute(
                text("SELECT count(*) FROM user_events")
            ).scalar_one()
        reader.dispose()
        return ""

    structlog.configure(processors=[count_rows])
    post(app)
    assert rows_when_logged["tcs_events.event_accepted"] == 1


def test_each_outcome_is_one_log_line_that_quotes_nothing_of_the_visitor(app: Flask) -> None:
    canary = {
        "payload": {"canary": "canary"},
        "session_id": "canary",
        "email": "canary@example.com",
    }
    post(app)  # the first request says more: whether the table is there
    with capture_logs() as logs:
        post(app, event_id=AN_ID, **canary)
        post(app, event_id=AN_ID, **canary)
        post(app, **{**canary, "event_type": "canary of ada", "event_id": "canary"})
    assert logs == [
        {
            "event": "tcs_events.event_accepted",
            "log_level": "info",
            "event_type": "card_click",
            "event_id": AN_ID,
        },
        {
            "event": "tcs_events.event_duplicate",
            "log_level": "info",
            "event_type": "card_click",
            "event_id": AN_ID,
        },
        {
            "event": "tcs_events.event_invalid",
            "log_level": "info",
            "fields": ["event_id", "event_type"],
        },
    ]
    assert "canary" not in str(logs)


def test_the_table_has_the_indexes_of_the_contract(app: Flask) -> None:
    with app.app_context():
        found = inspect(app.extensions["sqlalchemy"].engine)
        indexes = {tuple(index["column_names"]) for index in found.get_indexes("user_events")}
        unique = found.get_unique_constraints("user_events")
    assert {("event_type", "created_at"), ("session_id",), ("email",)} <= indexes
    assert ["event_id"] in [constraint["column_names"] for constraint in unique]


class TestTracker:
    def test_it_is_served_as_a_script_that_browsers_may_keep(self, app: Flask) -> None:
        answer = app.test_client().get(f"{URL}/tracker.js")
        assert answer.status_code == 200
        assert answer.mimetype == "text/javascript"
        assert b"tcs_session_id" in answer.data
        assert answer.headers["Cache-Control"] == "public, max-age=3600"

    def test_a_browser_that_has_it_is_told_so(self, app: Flask) -> None:
        client = app.test_client()
        etag = client.get(f"{URL}/tracker.js").headers["ETag"]
        again = client.get(f"{URL}/tracker.js", headers={"If-None-Match": etag})
        assert (again.status_code, again.data) == (304, b"")


class TestEventTypes:
    """A host with its own event types, and a payload schema for one of them."""

    @pytest.fixture
    def app(self, make_host: MakeHost, sqlite_url: str) -> Flask:
        from marshmallow import Schema, fields

        class SignUp(Schema):
            plan = fields.String(required=True)

        types = {"sign_up": SignUp, "log_out": None}
        return make_host(sqlite_url, create_blueprint(event_types=types))

    def test_only_they_are_accepted(self, app: Flask) -> None:
        assert post(app, event_type="log_out").status_code == 202
        assert post(app, event_type="card_click").json["errors"] == {
            "event_type": ["Must be one of: sign_up, log_out."]
        }

    def test_the_payload_must_be_what_the_schema_of_its_type_says(self, app: Flask) -> None:
        assert post(app, event_type="sign_up", payload={"plan": "free"}).status_code == 202
        answer = post(app, event_type="sign_up", payload={})
        assert answer.status_code == 422
        message = "Missing data for required field."
        assert answer.json == {
            "errors": {"payload": {"plan": [message]}},
            "details": [{"path": "payload.plan", "code": "required", "message": message}],
        }


def test_the_default_blueprint_is_not_changed_by_one_with_other_types(
    make_host: MakeHost, sqlite_url: str
) -> None:
    make_host(sqlite_url, create_blueprint(event_types=["log_out"]))
    assert post(make_host(sqlite_url)).status_code == 202


def test_a_host_without_a_db_may_use_ours(sqlite_url: str, close_later: list[Flask]) -> None:
    from tcs_events import db

    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    db.init_app(app)
    close_later.append(app)
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()
        assert post(app).status_code == 202
        assert len(db.session.scalars(select(UserEvent)).all()) == 1
    assert isinstance(db, SQLAlchemy)


def test_other_methods_are_refused_in_json(app: Flask) -> None:
    client = app.test_client()
    for path, allowed in {"": "POST", "/batch": "POST", "/identify": "POST"}.items():
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            answer = client.open(URL + path, method=method)
            assert answer.status_code == 405
            assert allowed in answer.headers["Allow"]
            assert answer.json is not None
            assert list(answer.json) == ["errors"]
    assert client.post(f"{URL}/tracker.js").status_code == 405


def test_the_host_may_answer_other_methods_itself(app: Flask) -> None:
    app.add_url_rule(URL, "listing", lambda: "mine")
    app.add_url_rule("/other", "other", lambda: "mine")
    client = app.test_client()
    assert client.get(URL).text == "mine"
    assert client.put(URL).is_json
    assert not client.post("/other").is_json  # the host's own 405 stays as it is
