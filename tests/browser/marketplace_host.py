"""The demo host, which also serves the built marketplace page, under a strict policy."""

from __future__ import annotations

import os

from flask import Flask, Response, send_from_directory

from tcs_events.demo import create_app as create_demo


def create_app() -> Flask:
    app = create_demo()

    @app.get("/market/")
    @app.get("/market/<path:name>")
    def market(name: str = "index.html") -> Response:
        response = send_from_directory(os.environ["MARKETPLACE_DIST"], name)
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    return app
