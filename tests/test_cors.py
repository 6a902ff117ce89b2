"""Pages of other origins: off by default, exact where it is on, the same through both faces."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tcs_events import ConfigError
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, stored

SHOP = "https://shop.example"


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url, TCS_EVENTS_CORS_ORIGINS=[SHOP, "http://localhost:5173"])
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


def post_from(app: Flask, origin: str, path: str = "", **event: object) -> TestResponse:
    return app.test_client().post(URL + path, json=card_click(**event), headers={"Origin": origin})


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:5173"])
@pytest.mark.parametrize("event", [{}, {"event_type": "nope"}], ids=["202", "422"])
@pytest.mark.parametrize("path", ["", "/batch", "/identify"])
def test_an_allowed_origin_may_read_every_answer(
    app: Flask, origin: str, event: dict[str, object], path: str
) -> None:
    answer = post_from(app, origin, path, **event)
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://shop.example.evil.example", "http://shop.example", f"{SHOP}:8443", "null", "*"],
)
def test_another_origin_may_not(app: Flask, origin: str) -> None:
    answer = post_from(app, origin)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"  # or a cache would give one page the other's answer


def test_a_preflight_is_answered_and_stores_nothing(app: Flask) -> None:
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    answer = app.test_client().options(URL, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
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
