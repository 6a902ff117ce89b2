"""A host for gunicorn that is killed between the commit of an event and its answer.

The environment says which database, DATABASE_URL, and whether to die, DIES.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp
from tests.browser.tracker.browsers import CLOCK, RECORDER
from tests.browser.tracker.pages import page

BEFORE = f"(() => {{ {CLOCK} }})(); (() => {{ {RECORDER} }})();"


def create_app() -> Flask:
    app, db = Flask(__name__), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()
    app.add_url_rule("/", view_func=page)
    app.add_url_rule("/before.js", view_func=lambda: BEFORE, endpoint="before")
    if os.environ["DIES"] == "1":
        app.wsgi_app = killing(app.wsgi_app)  # type: ignore[method-assign]
    return app


def killing(host: Callable[..., Any]) -> Callable[..., Any]:
    """Let the host store an event, then kill gunicorn and its worker: they are a process group."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] == "GET":
            return host(environ, start_response)
        b"".join(host(environ, lambda *_: None))
        return os.killpg(0, signal.SIGKILL)

    return call
