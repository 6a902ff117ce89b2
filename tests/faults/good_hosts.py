"""Hosts that keep every promise, each set up as some host is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from tcs_events import events_bp
from tests.support import URL

Wsgi = Callable[..., Iterable[bytes]]
LATE_SECONDS = 0.05
ENDED_AFTER_SECONDS = 0.5


def view(database_url: str, **config: object) -> Flask:
    """Events go through Flask, as the documents set it up."""
    app, db = Flask("host"), SQLAlchemy()
    app.config.update(config)
    app.config.update(json.loads(os.environ.get("SETTINGS", "{}")))
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    app.register_blueprint(events_bp)

    @app.get("/hold")
    def hold() -> str:
        """A page of the host that keeps a connection of its pool for long."""
        with db.engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(:seconds)"), dict(request.args))
        return "held"

    return app


def middleware(database_url: str, **config: object) -> Flask:
    """Events are taken before Flask sees them."""
    from tcs_events.wsgi import EventsMiddleware

    app = view(database_url, **config)
    app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    return app


def creates_tables(database_url: str) -> Flask:
    """The factory makes the tables, and so leaves a connection in the pool for who is forked."""
    app = view(database_url)
    with app.app_context():
        app.extensions["sqlalchemy"].create_all()
    return app


def answers_late(database_url: str) -> Flask:
    """What is stored waits a moment for its answer: when a kill makes the client ask again."""
    app = view(database_url)
    inner: Wsgi = app.wsgi_app

    def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = inner(environ, start_response)
        if environ["PATH_INFO"].startswith(URL):
            time.sleep(LATE_SECONDS)
        return answer

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    return app


def ends_requests(database_url: str) -> Flask:
    """Under gevent, the host ends each request that takes too long, and answers 504 itself."""
    import gevent

    app = middleware(database_url, TCS_EVENTS_HEALTH_ACCESS=lambda: True)
    inner: Wsgi = app.wsgi_app

    def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with gevent.Timeout(ENDED_AFTER_SECONDS, False):
            return inner(environ, start_response)
        start_response("504 GATEWAY TIMEOUT", [("Content-Length", "0")])
        return [b""]

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    return app


def measured(database_url: str) -> Flask:
    """Let Prometheus have the counts, in either of the two ways of prometheus_client."""
    from prometheus_client import CollectorRegistry, make_wsgi_app
    from prometheus_client.multiprocess import MultiProcessCollector
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    from tcs_events.prometheus import is_multiprocess, register_metrics

    app, registry = middleware(database_url), CollectorRegistry()
    if is_multiprocess():
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    register_metrics(app, registry)
    metrics = {"/metrics": make_wsgi_app(registry)}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, metrics)  # type: ignore[method-assign]
    return app


READS: dict[str, Callable[[], object]] = {
    "get_data": lambda: request.get_data(),
    "get_data, not kept": lambda: request.get_data(cache=False),
    "as text": lambda: request.get_data(as_text=True),
    "parsed as a form": lambda: request.get_data(parse_form_data=True),
    "form": lambda: request.form,
    "files": lambda: request.files,
    "values": lambda: request.values,
    "json": lambda: request.get_json(force=True, silent=True),
    "data": lambda: request.data,
    "stream": lambda: request.stream.read(),
    "a part of the stream": lambda: request.stream.read(10),
    "lines of the stream": lambda: list(request.stream),
    "wsgi.input": lambda: request.environ["wsgi.input"].read(
        int(request.environ.get("CONTENT_LENGTH") or 0)
    ),
}
"""How a hook may read the body of a request, by its name."""


def reads_bodies(database_url: str) -> Flask:
    """A host with an audit log: it reads what the headers of a request say, before and after."""
    app = view(database_url)

    @app.before_request
    def read_before() -> None:
        READS.get(request.headers.get("X-Read-Before", ""), lambda: None)()

    @app.after_request
    def read_after(response: Response) -> Response:
        READS.get(request.headers.get("X-Read-After", ""), lambda: None)()
        return response

    return app
