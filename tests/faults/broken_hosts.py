"""Hosts that break a promise, so that the harness must see it."""

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

from flask import Flask, Response, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Dialect, TextClause, create_engine, exc, text

from tcs_events.intake.collector import ACCEPTED
from tests.faults.good_hosts import Wsgi, answers_late, view
from tests.support import URL

_INSERT = (
    "INSERT INTO user_events"
    " (event_id, session_id, event_type, payload, created_at, received_at) VALUES"
    " (:event_id, :session_id, :event_type, :payload, :now, :now)"
)
_early: list[Connection] = []


def insert_for(dialect: Dialect) -> TextClause:
    """Return the statement that stores a row unless its id is there."""
    if dialect.name == "mysql":
        return text(_INSERT.replace("INSERT INTO", "INSERT IGNORE INTO"))
    return text(f"{_INSERT} ON CONFLICT DO NOTHING")


def posted_rows() -> list[dict[str, Any]]:
    """Return the events of a request as the statement takes them, checked by nobody."""
    document = request.get_json()
    return [
        {
            "event_id": UUID(event["event_id"]).hex,
            "session_id": event["session_id"],
            "event_type": event["event_type"],
            "payload": json.dumps(event["payload"]),
            "now": datetime.now(UTC).replace(tzinfo=None),
        }
        for event in document.get("events", [document])
    ]


def answers_first(database_url: str) -> Flask:
    """Break "acknowledged is stored": the 202 goes out 50 ms before the event is written."""
    app = Flask("host")
    waiting: list[dict[str, Any]] = []
    starting = threading.Lock()
    writer: list[threading.Thread] = []

    def write() -> None:
        engine = create_engine(database_url)
        while True:
            time.sleep(0.05)
            with engine.begin() as connection:
                for _ in range(len(waiting)):
                    connection.execute(insert_for(engine.dialect), waiting.pop(0))

    @app.post(URL)
    @app.post(f"{URL}/batch")
    def collect() -> tuple[dict[str, str], int]:
        rows = posted_rows()
        with starting:  # in the process that answers, whatever it was forked from
            if not writer:
                writer.append(threading.Thread(target=write, daemon=True))
                writer[0].start()
        waiting.extend(rows)
        return {"status": "accepted"}, 202

    return app


def naive(database_url: str) -> Flask:
    """Break "503 in time": the obvious view, that waits as long as the driver does; then 500."""
    app, db = Flask("host"), SQLAlchemy()
    app.config.update(json.loads(os.environ.get("SETTINGS", "{}")))
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)

    @app.post(URL)
    @app.post(f"{URL}/batch")
    def collect() -> tuple[dict[str, str], int]:
        db.session.execute(insert_for(db.engine.dialect), posted_rows())
        db.session.commit()
        return {"status": "accepted"}, 202

    @app.get("/hold")
    def hold() -> str:
        db.session.execute(text("SELECT pg_sleep(:seconds)"), dict(request.args))
        return "held"

    return app


def never_rolls_back(database_url: str, **config: object) -> Flask:
    """Break "the next request is clean": a connection is left as an error leaves it."""
    app, db = Flask("host"), SQLAlchemy()
    app.config.update(config)
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    left: list[Connection] = []

    @app.post(URL)
    def collect() -> tuple[dict[str, str], int]:
        left.append(db.engine.connect())
        try:
            left[-1].execute(insert_for(left[-1].dialect), posted_rows())
            left[-1].commit()
        except exc.OperationalError:
            return {"status": "not now"}, 503
        left.pop().close()
        return {"status": "accepted"}, 202

    return app


def swallows_errors(database_url: str) -> Flask:
    """Break "acknowledged is stored" where it is hardest to see: what failed is answered 202."""
    app = view(database_url)

    @app.after_request
    def swallow(response: Response) -> Response:
        if response.status_code == 503:
            response.status_code = 202
            response.set_data(ACCEPTED.body)
        return response

    return app


def forgets_ids(database_url: str) -> Flask:
    """Break "stored once": the client's event_id never arrives, so a retry is a new event."""
    app = answers_late(database_url)
    inner: Wsgi = app.wsgi_app

    def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(URL):
            document = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            for event in document.get("events", [document]):
                del event["event_id"]
            body = json.dumps(document).encode()
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return inner(environ, start_response)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    return app


def unsynced(database_url: str) -> Flask:
    """Break "202 after the sync": SQLite commits, and leaves the sync to a later checkpoint."""
    os.environ["SETTINGS"] = json.dumps({"TCS_EVENTS_DURABILITY": "lost_on_power_cut"})
    return view(database_url)


def connects_early(database_url: str) -> Flask:
    """Break "each process has its own": a connection is made before the workers are forked."""
    _early.append(create_engine(database_url).connect())
    return view(database_url)
