"""A host with the real blueprint on a server that misbehaves, as `faults.py` tells it to.

The faults are around the blueprint, never in place of it. The environment says where things are:
DATABASE_URL; FAULTS, the folder that is shared with the test; and ELSEWHERE, another origin.
"""

from __future__ import annotations

import os
import time
from html import escape

from flask import Flask, Response, request
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp
from tests.browser.tracker.faults import Faults, Misbehaving

# A page without an icon makes Chromium ask for one, and complain that there is none.
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Shop</title>
    <link rel="icon" href="data:," />
    <script src="{tracker_host}/api/events/tracker.js" defer></script>
  </head>
  <body>
    <button data-track-event="card_click" data-track-payload='{{"number": 1}}'>Buy</button>
    <a href="{link}" data-track-event="card_click" data-track-payload='{{"number": 1}}'>Leave</a>
  </body>
</html>
"""
FRAME = '<link rel="icon" href="data:," /><iframe src="{source}" {attributes}></iframe>'
STUCK_SECONDS = 2
STRICT_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"


def create_app() -> Flask:
    app, db = Flask(__name__), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    app.config["TCS_EVENTS_CORS_ORIGINS"] = [os.environ["ELSEWHERE"]]
    db.init_app(app)
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()

    @app.get("/")
    def home() -> str:
        """A page that tracks: its script from `tracker_host`, its link to `link`."""
        return page(request.args.get("tracker_host", ""), request.args.get("link", "/next"))

    @app.get("/next")
    def next_page() -> str:
        """A page that does not track."""
        return "<title>Next</title>" + '<link rel="icon" href="data:," />'

    @app.get("/stuck")
    def stuck() -> str:
        """Something that holds a connection up."""
        time.sleep(STUCK_SECONDS)
        return ""

    @app.get("/frame")
    def frame() -> str:
        """A page with the page at `source` in it, with `attributes` for its frame."""
        return FRAME.format(
            source=escape(request.args["source"]), attributes=request.args.get("attributes", "")
        )

    @app.get("/strict")
    def strict() -> Response:
        """A page that may do only what the tracker needs."""
        icon = '<link rel="icon" href="data:," />'  # which the policy would forbid
        response = Response(page("", "/next").replace(icon, ""))
        response.headers["Content-Security-Policy"] = STRICT_POLICY
        return response

    app.wsgi_app = Misbehaving(app.wsgi_app, Faults.of_environment())  # type: ignore[method-assign]
    return app


def page(tracker_host: str, link: str) -> str:
    return PAGE.format(tracker_host=escape(tracker_host), link=escape(link))
