"""Wherever a host mounts the dashboard, its links lead to the same place."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Blueprint, Flask, g
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from tcs_events import create_blueprint
from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import PAGES, TABLES
from tests.conftest import MakeHost


def host(make_host: MakeHost, url: str, **options: Any) -> Flask:
    """A host whose dashboard is registered with these options."""
    app = make_host(url)
    app.register_blueprint(create_dashboard(lambda: True), **options)
    return app


def check_links(app: Flask, start: str, base_url: str = "http://localhost") -> None:
    """Follow every link from the first page, and see that each stays below its place."""
    client = app.test_client()
    root = client.get(start, base_url=base_url, buffered=True)
    assert root.status_code == 200, root.text
    place = start.rstrip("/")
    waiting, seen = [start], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path, base_url=base_url, buffered=True)
        assert answer.status_code == 200, path
        if answer.mimetype == "text/html":
            found = re.findall(r'(?:href|src|action)="([^"#]+)"', answer.text)
            links = [unescape(link) for link in found if not link.startswith("data:")]
            assert [link for link in links if not link.startswith(f"{place}/")] == []
            waiting += [link.partition("?")[0] for link in links]
    assert f"{place}/static/insights.css" in seen
    assert {f"{place}{page.path}" for page in PAGES.values()} - seen <= {f"{place}/", place}


@pytest.mark.parametrize("prefix", ["/<lang>", "/<lang>/insights", "/<int:shop>/a/<lang>"])
def test_a_prefix_may_name_something(make_host: MakeHost, sqlite_url: str, prefix: str) -> None:
    start = prefix.replace("<lang>", "de").replace("<int:shop>", "7") + "/"
    check_links(host(make_host, sqlite_url, url_prefix=prefix), start)


@pytest.mark.parametrize("name", TABLES)
def test_tables_and_files_are_there_too(make_host: MakeHost, sqlite_url: str, name: str) -> None:
    client = host(make_host, sqlite_url, url_prefix="/<lang>").test_client()
    for path in (f"/de/tables/{name}", f"/de/csv/{name}.csv"):
        assert client.get(path).status_code == 200
    assert client.get("/de/no-such-page").status_code == 404


def test_the_host_may_take_the_name_for_itself(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)

    @app.url_value_preprocessor
    def take(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.lang = (values or {}).pop("lang", "en")

    @app.url_defaults
    def give(endpoint: str, values: dict[str, Any]) -> None:
        if app.url_map.is_endpoint_expecting(endpoint, "lang"):
            values.setdefault("lang", g.lang)

    app.register_blueprint(create_dashboard(lambda: True), url_prefix="/<lang>/insights")
    check_links(app, "/fr/insights/")


def test_inside_of_another_blueprint(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    admin = Blueprint("admin", __name__, url_prefix="/admin/<team>")
    admin.register_blueprint(create_dashboard(lambda: True))
    app.register_blueprint(admin)
    check_links(app, "/admin/blue/insights/")


def test_in_an_app_that_is_mounted(make_host: MakeHost, sqlite_url: str) -> None:
    app = host(make_host, sqlite_url)
    app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        Response("", 404), {"/shop": app.wsgi_app}
    )
    check_links(app, "/shop/insights/")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1:5000", "insights.example.com"])
def test_an_app_that_matches_hosts(sqlite_url: str, close_later: list[Flask], name: str) -> None:
    app = Flask("host", host_matching=True, static_host="static.example.com")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    db = SQLAlchemy(app)
    close_later.append(app)
    app.register_blueprint(create_blueprint())
    app.register_blueprint(create_dashboard(lambda: True))
    with app.app_context():
        db.create_all()
    check_links(app, "/insights/", f"http://{name}")
