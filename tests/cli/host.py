"""The host of the commands that run as a process of their own; the environment says where it is."""

from __future__ import annotations

import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp


def create_app() -> Flask:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    app.config["TCS_EVENTS_KEEP_REJECTED"] = int(os.environ.get("KEEP_REJECTED", "0"))
    app.config["TCS_EVENTS_DAY_FILES"] = os.environ.get("DAY_FILES")
    SQLAlchemy().init_app(app)
    app.register_blueprint(events_bp)
    return app
