"""What every app that stores something starts from: a Flask app with its database."""

from __future__ import annotations

import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy


def new_host() -> tuple[Flask, SQLAlchemy]:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["BENCHMARK_DATABASE_URL"]
    return app, SQLAlchemy(app)
