from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from werkzeug.test import TestResponse

from tcs_events import create_blueprint
from tcs_events.dashboard import create_dashboard
from tests.conftest import MakeHost
from tests.dashboard.visitors import EXPERTS, fill, noon_today, visitors


class WholeAnswers(FlaskClient):
    """Reads every answer to its end, so that no file stays open."""

    def open(self, *args: Any, **options: Any) -> TestResponse:
        return super().open(*args, buffered=True, **options)


Dashboard = Callable[..., FlaskClient]


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    """A host with an empty dashboard that lets everybody in, on each kind of database."""
    app = make_host(database_url)
    app.register_blueprint(create_dashboard(lambda: True, catalogue=EXPERTS))
    return app


@pytest.fixture
def empty(host: Flask) -> FlaskClient:
    host.test_client_class = WholeAnswers
    return host.test_client()


@pytest.fixture
def filled(host: Flask) -> FlaskClient:
    """The client of a host with a hundred and fifty visitors, one of whom is known."""
    fill(host, list(visitors(150, 25, noon_today())), {"visitor-0007": "ada@example.com"})
    return host.test_client()


@pytest.fixture
def small(make_host: MakeHost, sqlite_url: str) -> Dashboard:
    """Make a host whose dashboard has an access rule: `small(access, **options)`."""

    def make(access: object, **options: object) -> FlaskClient:
        app = make_host(sqlite_url, create_blueprint(), db=SQLAlchemy())
        app.test_client_class = WholeAnswers
        app.register_blueprint(create_dashboard(access, **options))  # type: ignore[arg-type]
        return app.test_client()

    return make
