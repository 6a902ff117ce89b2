"""A host with a Flask-Limiter of its own: both limit, and each can be switched off for events."""

from __future__ import annotations

import pytest

pytest.importorskip("flask_limiter", reason="needs flask_limiter: pip install -e '.[test]'")

import threading
from collections.abc import Iterator

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from tcs_events import events_bp
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import post, stored


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """The memory of Flask-Limiter starts timers, which must not outlive their test."""
    yield
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()


def limit(app: Flask, **options: object) -> Limiter:
    limiter = Limiter(
        get_remote_address, default_limits=["2/hour"], storage_uri="memory://", **options
    )
    limiter.init_app(app)
    app.add_url_rule("/page", view_func=lambda: "page")
    return limiter


def statuses(app: Flask, posts: int) -> list[int]:
    return [post(app).status_code for _ in range(posts)]


def test_its_default_limits_hold_for_events_too(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    limit(app, headers_enabled=True)
    assert statuses(app, 2) == [202, 202]
    refused = post(app)
    # Its own words. The tracker reads the status and Retry-After: it keeps the event.
    assert (refused.status_code, refused.is_json) == (429, False)
    assert int(refused.headers["Retry-After"]) >= 1
    assert len(stored(app)) == 2


def test_the_blueprint_can_be_exempt(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    limit(app).exempt(events_bp)
    client = app.test_client()
    assert statuses(app, 4) == [202] * 4
    assert [client.get("/page").status_code for _ in range(3)] == [200, 200, 429]


def test_exempt_from_its_limits_ours_hold(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_CLIENT_LIMIT="3/hour")
    limit(app).exempt(events_bp)
    assert statuses(app, 4) == [202, 202, 202, 429]


def test_the_stricter_one_wins_and_they_share_no_count(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_CLIENT_LIMIT="1/hour")
    limit(app)
    client = app.test_client()
    assert statuses(app, 2) == [202, 429]
    assert post(client).status_code == 429
    assert [client.get("/page").status_code for _ in range(3)] == [200, 200, 429]


def test_in_front_of_flask_only_ours_hold(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_CLIENT_LIMIT="4/hour")
    limit(app)
    app.wsgi_app = EventsMiddleware(app)
    assert statuses(app, 5) == [202] * 4 + [429]
