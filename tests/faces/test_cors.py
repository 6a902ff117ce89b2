"""Pages of other origins are refused by default. With a list, only its origins are allowed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from werkzeug.test import TestResponse

from tcs_events import ConfigError, create_blueprint
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, need, stored

SHOP = "https://shop.example"


GOOD_EVIL = "https://shop.example.evil"
DENIED = [
    "null",
    "*",
    "",
    GOOD_EVIL,
    "https://shop.example.evil.example",
    "https://evilshop.example",
    "https://evil.shop.example",
    "https://shop.exampl",
    "https://shopxexample",
    "https://shop.example.",
    f"{SHOP}/",
    f"{SHOP}/path",
    f"{SHOP}:443",
    f"{SHOP}:8443",
    f"{SHOP}@evil.example",
    f"{SHOP}, https://evil.example",
    f"{SHOP} https://evil.example",
    f" {SHOP}x",
    f"{SHOP}%00",
    f"{SHOP}\x00",
    "http://shop.example",
    "HTTPS://shop.example",
    "https://SHOP.example",
    "https://Shop.Example",
    "http://localhost",
    "http://localhost:51730",
    "https://localhost:5173",
]
OURS = [
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Allow-Methods", "POST"),
    ("Access-Control-Allow-Origin", SHOP),
    ("Access-Control-Expose-Headers", "Retry-After, X-TCS-Events"),
    ("Access-Control-Max-Age", "7200"),
]


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url, TCS_EVENTS_CORS_ORIGINS=[SHOP, "http://localhost:5173"])
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


def post_from(app: Flask, origin: str, path: str = "", **event: object) -> TestResponse:
    return app.test_client().post(URL + path, json=card_click(**event), headers={"Origin": origin})


def ask_from(app: Flask, origin: str, path: str = "") -> TestResponse:
    """Ask as a browser does before it posts JSON."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-evil",
    }
    return app.test_client().options(URL + path, headers=asked)


def access_control(answer: TestResponse) -> list[tuple[str, str]]:
    return sorted(header for header in answer.headers if header[0].startswith("Access-Control-"))


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:5173"])
@pytest.mark.parametrize("event", [{}, {"event_type": "nope"}], ids=["202", "422"])
@pytest.mark.parametrize("path", ["", "/batch", "/identify"])
def test_an_allowed_origin_may_read_every_answer(
    app: Flask, origin: str, event: dict[str, object], path: str
) -> None:
    answer = post_from(app, origin, path, **event)
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After, X-TCS-Events"
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert access_control(ask_from(app, origin, path)) == access_control(answer)


@pytest.mark.parametrize(
    "origin",
    DENIED,
)
@pytest.mark.parametrize("is_preflight", [False, True], ids=["POST", "OPTIONS"])
def test_another_origin_may_not(app: Flask, origin: str, is_preflight: bool) -> None:
    answer = ask_from(app, origin) if is_preflight else post_from(app, origin)
    assert access_control(answer) == []
    assert answer.headers.getlist("Vary") == ["Origin"]  # or a cache would mix up the answers


def test_a_preflight_is_answered_and_stores_nothing(app: Flask) -> None:
    answer = ask_from(app, SHOP)
    assert answer.status_code == 200
    assert access_control(answer) == OURS
    assert stored(app) == []


def test_it_is_off_by_default(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    answer = post_from(app, SHOP)
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    assert "Vary" not in answer.headers


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        ["*"],
        ["shop.example"],
        [f"{SHOP}/"],
        ["https://*.shop.example"],
        ["HTTPS://SHOP.example"],
    ],
)
def test_what_is_no_exact_origin_stops_the_app(
    make_host: MakeHost, sqlite_url: str, origins: object
) -> None:
    with pytest.raises(ConfigError, match="TCS_EVENTS_CORS_ORIGINS"):
        make_host(sqlite_url, TCS_EVENTS_CORS_ORIGINS=origins)


EVERYTHING: dict[str, Any] = {"supports_credentials": True, "expose_headers": "X-Host"}
API: dict[str, Any] = {"resources": {r"/api/*": {"origins": ["https://shop.example", GOOD_EVIL]}}}
PATTERN: dict[str, Any] = {"resources": {r"/api/*": {"origins": r"https://.*\.example.*"}}}


class TestBesideFlaskCors:
    """A host that uses Flask-CORS itself. On our routes our list decides, if there is one."""

    @pytest.fixture(params=["before", "after"])
    def is_before(self, request: pytest.FixtureRequest) -> bool:
        return bool(request.param == "before")

    @pytest.fixture(params=["view", "middleware"])
    def make(
        self,
        request: pytest.FixtureRequest,
        is_before: bool,
        sqlite_url: str,
        close_later: list[Flask],
    ) -> Callable[..., Flask]:
        need(importlib.util.find_spec("flask_cors"), "flask-cors", "pip install -e '.[test]'")
        from flask_cors import CORS as cors  # noqa: N811

        def make(options: dict[str, Any], **config: object) -> Flask:
            app, db = Flask("host"), SQLAlchemy()
            app.config.update(SQLALCHEMY_DATABASE_URI=sqlite_url, **config)
            db.init_app(app)
            close_later.append(app)
            if is_before:
                cors(app, **options)
            app.register_blueprint(create_blueprint())
            if not is_before:
                cors(app, **options)
            app.add_url_rule("/api/own", view_func=lambda: "own", methods=["GET", "POST"])
            if request.param == "middleware":
                app.wsgi_app = EventsMiddleware(app)
            with app.app_context():
                db.create_all()
            return app

        return make

    @pytest.mark.parametrize("options", [{}, EVERYTHING, API, PATTERN])
    @pytest.mark.parametrize("path", ["", "/batch", "/identify"])
    def test_each_header_stands_once_and_is_ours(
        self, make: Callable[..., Flask], options: dict[str, Any], path: str
    ) -> None:
        app = make(options, TCS_EVENTS_CORS_ORIGINS=[SHOP])
        for answer in (post_from(app, SHOP, path), ask_from(app, SHOP, path)):
            assert access_control(answer) == OURS
            assert answer.headers.getlist("Vary") == ["Origin"]
        for origin in (GOOD_EVIL, "null"):
            for answer in (post_from(app, origin, path), ask_from(app, origin, path)):
                assert access_control(answer) == []
                assert answer.headers.getlist("Vary") == ["Origin"]

    @pytest.mark.parametrize("options", [{}, API])
    def test_routes_of_the_host_keep_its_own(
        self, make: Callable[..., Flask], options: dict[str, Any]
    ) -> None:
        app = make(options, TCS_EVENTS_CORS_ORIGINS=[SHOP])
        answer = app.test_client().get("/api/own", headers={"Origin": GOOD_EVIL})
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", GOOD_EVIL)

    def test_without_a_list_of_ours_the_host_decides(self, make: Callable[..., Flask]) -> None:
        app = make({})
        answer = ask_from(app, GOOD_EVIL)
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", GOOD_EVIL)
