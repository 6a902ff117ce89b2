"""A host to send requests to: view or middleware, with the dashboard, and without log lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from tcs_events import create_blueprint
from tcs_events.dashboard import create_dashboard
from tcs_events.wsgi import EventsMiddleware

FACES = ("view", "middleware")


@contextmanager
def hosted(
    url: str, face: str = "view", *, create: bool = True, **config: object
) -> Iterator[Flask]:
    """Yield a host, and close its connections afterwards."""
    app, db = Flask("host"), SQLAlchemy()
    # Thousands of events are posted here, and no power is cut.
    app.config.update(TCS_EVENTS_DURABILITY="lost_on_power_cut", TCS_EVENTS_MIN_SESSIONS=1)
    app.config.update(SQLALCHEMY_DATABASE_URI=url, **config)
    db.init_app(app)
    app.register_blueprint(create_blueprint())
    app.register_blueprint(create_dashboard(lambda: True, catalogue=["ada"]))
    if face == "middleware":
        app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    with app.app_context():
        if create:
            db.create_all()
    try:
        yield app
    finally:
        app.extensions["tcs_events"].close()
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the log lines of thousands of requests from being rendered."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.reset_defaults()


def rows(app: Flask, columns: str = "session_id, event_type, payload") -> list[dict[str, Any]]:
    """Return the stored rows as text, read without the package's classes and JSON types."""
    names = [name.strip() for name in columns.split(",")]
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        text_type = "CHAR" if connection.dialect.name == "mysql" else "TEXT"
        selected = ", ".join(f"CAST({name} AS {text_type}) AS {name}" for name in names)
        found = connection.execute(text(f"SELECT {selected} FROM user_events ORDER BY id"))
        return [dict(row) for row in found.mappings()]


def empty(app: Flask) -> None:
    """Delete all events."""
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        connection.execute(text("DELETE FROM user_events"))
