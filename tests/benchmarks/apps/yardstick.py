"""The least that a Flask view can do with an event: parse it and answer. It stores nothing."""

from __future__ import annotations

from flask import Flask, request


def collect() -> tuple[dict[str, str], int]:
    request.get_json(force=True)
    return {"status": "accepted"}, 202


def create_app() -> Flask:
    app = Flask("host")
    app.add_url_rule("/api/events", view_func=collect, methods=["POST"])
    return app
