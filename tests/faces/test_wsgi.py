"""What only the middleware does. test_blueprint.py shows that it answers like the view."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Blueprint, Flask, abort
from flask_sqlalchemy import SQLAlchemy
from structlog.testing import capture_logs

from tcs_events import ConfigError, DatabaseMissing, create_blueprint, events_bp
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, post, stored


@pytest.fixture
def app(make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url)
    app.wsgi_app = EventsMiddleware(app)
    return app


def test_flask_sees_no_event_and_everything_else(app: Flask) -> None:
    seen: list[str] = []

    @app.before_request
    def look() -> None:
        from flask import request

        seen.append(f"{request.method} {request.path}")

    client = app.test_client()
    assert post(client).status_code == 202
    assert client.post(f"{URL}/batch", json={"events": [card_click()]}).status_code == 202
    assert client.get(f"{URL}/tracker.js").status_code == 200
    assert client.get(URL).status_code == 405
    assert client.post("/elsewhere").status_code == 404
    assert seen == [f"GET {URL}/tracker.js", f"GET {URL}", "POST /elsewhere"]
    assert len(stored(app)) == 2


def test_it_answers_where_the_blueprint_is_mounted(
    sqlite_url: str, close_later: list[Flask]
) -> None:
    app, db, parent = Flask("host"), SQLAlchemy(), Blueprint("site", __name__, url_prefix="/site")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    close_later.append(app)
    parent.register_blueprint(create_blueprint(url_prefix="/track"))
    app.register_blueprint(parent)
    app.wsgi_app = EventsMiddleware(app)
    db.init_app(app)
    with app.app_context():
        db.create_all()
    app.before_request(lambda: abort(500))
    client = app.test_client()
    assert client.post("/site/track", json=card_click()).status_code == 202
    assert client.post("/site/track/", json=card_click()).status_code == 202
    assert client.post(URL, json=card_click()).status_code == 500  # it is Flask's


def test_without_the_blueprint_it_names_the_line_that_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"call app\.register_blueprint\(events_bp\) before"):
        EventsMiddleware(Flask("host"))


def test_the_first_event_is_a_first_request_too(app: Flask) -> None:
    with capture_logs() as logs:
        post(app)
        post(app)
    assert [entry["event"] for entry in logs].count("tcs_events.tables_ready") == 1


@pytest.mark.parametrize("testing", [True, False])
def test_an_app_without_a_db_is_told_as_by_the_view(testing: bool) -> None:
    app = Flask("forgetful")
    app.testing = testing
    app.register_blueprint(events_bp)
    app.wsgi_app = EventsMiddleware(app)
    if testing:
        with pytest.raises(DatabaseMissing):
            post(app)
    else:
        assert post(app).status_code == 503


def test_a_body_that_ends_early_is_refused_and_stores_nothing(app: Flask) -> None:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": URL,
        "CONTENT_LENGTH": "500",
        "wsgi.input": io.BytesIO(b'{"event_type": "card_click", "session_id": "s"}'),
    }
    statuses: list[str] = []
    [body] = app.wsgi_app(environ, lambda status, headers: statuses.append(status))
    assert statuses == ["422 UNPROCESSABLE ENTITY"] or statuses == ["422 UNPROCESSABLE CONTENT"]
    assert b"ended too early" in body
    assert stored(app) == []


def test_a_server_that_reads_in_small_pieces_is_read_to_the_end(app: Flask) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 1, 7))

    import json

    body = json.dumps(card_click()).encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": URL,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": Trickle(body),
    }
    statuses: list[str] = []
    app.wsgi_app(environ, lambda status, headers: statuses.append(status))
    assert statuses == ["202 ACCEPTED"]
