"""Every answer of ours has our header, and no other answer has it."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from flask import Flask, Response, abort, jsonify, redirect
from flask_sqlalchemy import SQLAlchemy
from werkzeug.test import TestResponse

from tcs_events import create_blueprint, events_bp
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, need, need_module, stored

SHOP = "https://shop.example"
NO_EVENT: dict[str, Any] = {"event_type": "nope", "session_id": "s"}
IDENTITY = {"session_id": "s", "email": "ada@example.com"}
OTHER_HOST = {"Host": "evil.example"}

ANSWERS: list[Any] = [
    pytest.param("POST", "", {"json": card_click()}, 202, id="an event"),
    pytest.param("POST", "/batch", {"json": {"events": [card_click()]}}, 202, id="a batch"),
    pytest.param("POST", "/identify", {"json": IDENTITY}, 202, id="an identity"),
    pytest.param(
        "POST", "", {"json": card_click(), "headers": {"Sec-GPC": "1"}}, 202, id="ignored"
    ),
    pytest.param("POST", "", {"json": NO_EVENT}, 422, id="a refused event"),
    pytest.param("POST", "/batch", {"json": {"events": [NO_EVENT]}}, 422, id="a refused batch"),
    pytest.param("POST", "/batch", {"data": b"{"}, 422, id="no JSON"),
    pytest.param("POST", "/identify", {"json": {}}, 422, id="a refused identity"),
    pytest.param("POST", "", {"data": b" " * 70_000}, 413, id="too large"),
    pytest.param("POST", "", {"headers": {"Content-Encoding": "br"}}, 415, id="compressed"),
    pytest.param("GET", "", {}, 405, id="GET of the endpoint"),
    pytest.param("HEAD", "", {}, 405, id="HEAD of the endpoint"),
    pytest.param("DELETE", "/batch", {}, 405, id="DELETE"),
    pytest.param("POST", "/health", {}, 405, id="POST to health"),
    pytest.param("OPTIONS", "", {"headers": {"Origin": SHOP}}, 200, id="preflight"),
    pytest.param("OPTIONS", "/batch", {}, 200, id="OPTIONS of the batch"),
    pytest.param("OPTIONS", "/tracker.js", {}, 200, id="OPTIONS of the script"),
    pytest.param("GET", "/tracker.js", {}, 200, id="the script"),
    pytest.param("GET", "/client.js", {}, 200, id="the script by its other name"),
    pytest.param("HEAD", "/client.js", {}, 200, id="HEAD of the script"),
    pytest.param("GET", "/client.js", {"headers": {"If-None-Match": "*"}}, 304, id="a kept script"),
    pytest.param("GET", "/openapi.json", {}, 200, id="the document"),
    pytest.param("GET", "/openapi.json", {"headers": {"If-None-Match": "*"}}, 304, id="a kept one"),
    pytest.param("GET", "/health", {}, 200, id="health"),
    pytest.param("GET", "/debug", {}, 404, id="the page of debug mode, which is off"),
]


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url)
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


def marks(answer: TestResponse) -> list[str]:
    return answer.headers.getlist("X-TCS-Events")


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("method", "path", "sent", "status"), ANSWERS)
def test_our_answers_are_marked_with_and_without_a_slash(
    app: Flask, method: str, path: str, slash: str, sent: dict[str, Any], status: int
) -> None:
    answer = app.test_client().open(URL + path + slash, method=method, **sent)
    assert answer.status_code == status
    assert marks(answer) == ["1"]
    assert "text/html" not in answer.headers.get("Content-Type", "") or answer.data == b""


def test_an_event_that_cannot_be_stored_now_is_answered_by_us(
    app: Flask, make_host: MakeHost, tmp_path: Any
) -> None:
    with app.app_context():
        app.extensions["sqlalchemy"].drop_all()
    for path in ("", "/batch", "/identify"):
        sent = IDENTITY if path == "/identify" else card_click()
        body = {"events": [sent]} if path == "/batch" else sent
        answer = app.test_client().post(URL + path, json=body)
        assert (answer.status_code, marks(answer)) == (503, ["1"])
    answer = app.test_client().get(f"{URL}/health")
    assert (answer.status_code, marks(answer)) == (503, ["1"])


def test_our_own_limit_is_marked(make_host: MakeHost, sqlite_url: str) -> None:
    need_module("limits")
    app = make_host(sqlite_url, TCS_EVENTS_CLIENT_LIMIT="1/hour")
    answers = [app.test_client().post(URL, json=card_click()) for _ in range(2)]
    assert [(answer.status_code, marks(answer)) for answer in answers] == [
        (202, ["1"]),
        (429, ["1"]),
    ]


@pytest.mark.parametrize("path", ["", "/", "/batch", "/client.js", "/health/"])
def test_a_host_name_that_the_host_does_not_trust_costs_no_event(
    make_host: MakeHost, sqlite_url: str, path: str
) -> None:
    app = make_host(sqlite_url, TRUSTED_HOSTS=["localhost"])
    method = "GET" if "." in path or "health" in path else "POST"
    answer = app.test_client().open(URL + path, method=method, headers=OTHER_HOST)
    assert (answer.status_code, marks(answer)) == (421, ["1"])  # a client keeps the event
    assert list(answer.json["errors"]) == ["_schema"]
    assert marks(app.test_client().get("/elsewhere", headers=OTHER_HOST)) == []


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("face", ["view", "middleware"])
def test_an_app_that_is_set_up_wrong_is_answered_in_json(face: str, debug: bool) -> None:
    app = Flask("forgetful")
    app.debug = debug
    app.register_blueprint(create_blueprint())
    if face == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    for path in ("", "/batch", "/identify", "/health"):
        answer = app.test_client().open(
            URL + path, method="GET" if path == "/health" else "POST", json=card_click()
        )
        assert (answer.status_code, marks(answer)) == (503, ["1"])
        assert answer.content_type == "application/json"
    # A developer reads what to do where the request is seen; strangers do not.
    said = app.test_client().post(URL, json=card_click()).json["errors"]["_schema"][0]
    assert ("db.init_app(app)" in said) is debug


HOOKS: dict[str, Any] = {
    "login by 401": lambda: ({"error": "log in"}, 401),
    "login by redirect": lambda: redirect("/login"),
    "abort 403": lambda: abort(403),
    "abort 400": lambda: abort(400),
    "abort 404": lambda: abort(404),
    "abort 405": lambda: abort(405),
    "abort 413": lambda: abort(413),
    "abort 415": lambda: abort(415),
    "abort 422": lambda: abort(422),
    "abort 429": lambda: abort(429),
    "a page with 200": lambda: "<p>Maintenance</p>",
    "an answer of JSON with 422": lambda: (jsonify(errors={}), 422),
    "a bug": lambda: 1 / 0,
}


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("path", ["", "/", "/batch", "/identify"])
def test_an_answer_of_the_host_in_our_place_is_not_marked(
    make_host: MakeHost, sqlite_url: str, name: str, path: str
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_CORS_ORIGINS=[SHOP])
    app.before_request(HOOKS[name])
    for method in ("POST", "OPTIONS"):
        answer = app.test_client().open(
            URL + path, method=method, json=card_click(), headers={"Origin": SHOP}
        )
        assert marks(answer) == []
    assert stored(app) == []


def test_an_answer_that_the_host_puts_in_the_place_of_ours_is_not_marked(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    app.after_request(lambda response: Response("away", 422))
    answer = app.test_client().post(URL, json=card_click())
    assert (answer.status_code, marks(answer)) == (422, [])


@pytest.mark.parametrize("path", ["/api", f"{URL}/nothing", f"{URL}/nothing/", "/", "/own"])
def test_other_addresses_are_not_marked(app: Flask, path: str) -> None:
    app.add_url_rule("/own", view_func=lambda: "own")
    for method in ("GET", "POST", "OPTIONS"):
        assert marks(app.test_client().open(path, method=method)) == []


def test_a_limit_of_flask_limiter_is_not_marked(sqlite_url: str, close_later: list[Flask]) -> None:
    need(importlib.util.find_spec("flask_limiter"), "flask-limiter", "pip install -e '.[test]'")
    from flask_limiter import Limiter

    app, db = Flask("host"), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    db.init_app(app)
    close_later.append(app)
    Limiter(lambda: "one", app=app, default_limits=["1/hour"], storage_uri="memory://")
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()
    answers = [app.test_client().post(URL, json=card_click()) for _ in range(2)]
    assert [(answer.status_code, marks(answer)) for answer in answers] == [(202, ["1"]), (429, [])]


def test_pages_of_other_origins_may_read_the_mark(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_CORS_ORIGINS=[SHOP])
    for face in (app.wsgi_app, EventsMiddleware(app)):
        app.wsgi_app = face
        answer = app.test_client().post(URL, json=NO_EVENT, headers={"Origin": SHOP})
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert exposed == ["Retry-After", "X-TCS-Events"]
