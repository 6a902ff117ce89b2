"""A host that serves a built front end with the npm package in it, and stores what it records."""

from __future__ import annotations

import os

from flask import Flask, Response, send_from_directory
from flask_sqlalchemy import SQLAlchemy

from tcs_events import create_blueprint
from tests.npm_package import EVENT_TYPES


def create_app() -> Flask:
    app, db = Flask(__name__), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["TCS_EVENTS_DEMO_DATABASE_URI"]
    db.init_app(app)
    app.register_blueprint(create_blueprint(event_types=EVENT_TYPES))
    with app.app_context():
        db.create_all()

    @app.get("/")
    @app.get("/<path:name>")
    def front_end(name: str = "index.html") -> Response:
        return send_from_directory(os.environ["FRONT_END_DIST"], name)

    return app
