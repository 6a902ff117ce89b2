"""The host that the servers serve, and hosts that break a promise so that the harness must see it.

The environment says what it is: DATABASE_URL, FACE (a key of `FACES`), SETTINGS (JSON).
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine, text

from tcs_events import events_bp
from tests.support import URL

Wsgi = Callable[..., Iterable[bytes]]


def create_app() -> Flask:
    # A line per stored event would make the log the slowest part of the load.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    app = FACES[os.environ["FACE"]](os.environ["DATABASE_URL"])
    app.add_url_rule("/alive", view_func=lambda: "yes", endpoint="alive")
    return app


def create_tables(database_url: str) -> None:
    """Make the tables once, before servers with several processes would race to make them."""
    app = view(database_url)
    with app.app_context():
        database = app.extensions["sqlalchemy"]
        database.create_all()
        for engine in database.engines.values():
            engine.dispose()


def view(database_url: str) -> Flask:
    """Events go through Flask, as the README sets it up."""
    app, db = Flask("host"), SQLAlchemy()
    app.config.update(json.loads(os.environ.get("SETTINGS", "{}")))
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    app.register_blueprint(events_bp)
    return app


def middleware(database_url: str) -> Flask:
    """Events are taken before Flask sees them."""
    from tcs_events.wsgi import EventsMiddleware

    app = view(database_url)
    app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    return app


def answers_first(database_url: str) -> Flask:
    """Break "acknowledged is stored": the 202 goes out 50 ms before the event is written."""
    app = Flask("host")
    waiting: list[dict[str, Any]] = []
    starting = threading.Lock()
    writer: list[threading.Thread] = []

    def write() -> None:
        engine = create_engine(database_url)
        insert = text(
            "INSERT INTO user_events"
            " (event_id, session_id, event_type, payload, created_at, received_at) VALUES"
            " (:event_id, :session_id, :event_type, :payload, :now, :now) ON CONFLICT DO NOTHING"
        )
        while True:
            time.sleep(0.05)
            with engine.begin() as connection:
                for _ in range(len(waiting)):
                    connection.execute(insert, waiting.pop(0))

    @app.post(URL)
    @app.post(f"{URL}/batch")
    def collect() -> tuple[dict[str, str], int]:
        document = request.get_json()
        with starting:  # in the process that answers, whatever it was forked from
            if not writer:
                writer.append(threading.Thread(target=write, daemon=True))
                writer[0].start()
        waiting.extend(
            {
                "event_id": UUID(event["event_id"]).hex,
                "session_id": event["session_id"],
                "event_type": event["event_type"],
                "payload": json.dumps(event["payload"]),
                "now": datetime.now(UTC).replace(tzinfo=None),
            }
            for event in document.get("events", [document])
        )
        return {"status": "accepted"}, 202

    return app


def forgets_ids(database_url: str) -> Flask:
    """Break "stored once": the client's event_id never arrives, so a retry is a new event."""
    app = view(database_url)
    inner: Wsgi = app.wsgi_app

    def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != URL:
            return inner(environ, start_response)
        event = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        del event["event_id"]
        body = json.dumps(event).encode()
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answer = inner(environ, start_response)
        time.sleep(0.05)  # stored and not yet answered: when a kill makes the client ask again
        return answer

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    return app


def unsynced(database_url: str) -> Flask:
    """Break "202 after the sync": SQLite commits, and leaves the sync to a later checkpoint."""
    os.environ["SETTINGS"] = json.dumps({"TCS_EVENTS_DURABILITY": "lost_on_power_cut"})
    return view(database_url)


FACES: dict[str, Callable[[str], Flask]] = {
    "view": view,
    "middleware": middleware,
    "answers_first": answers_first,
    "forgets_ids": forgets_ids,
    "unsynced": unsynced,
}
