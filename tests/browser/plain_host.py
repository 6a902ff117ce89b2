"""A host that serves the plain page, for the browser to visit."""

from __future__ import annotations

import os

from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp
from tests.support import ROOT

PAGE = (ROOT / "frontend_snippets" / "plain.html").read_text()


def create_app() -> Flask:
    app, db = Flask(__name__), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["TCS_EVENTS_DEMO_DATABASE_URI"]
    db.init_app(app)
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()

    icon = '<link rel="icon" href="data:," />'  # or Chromium complains that there is none
    page = PAGE.replace("</head>", f"{icon}</head>")
    app.add_url_rule("/", view_func=lambda: page, endpoint="home")
    app.add_url_rule("/experts/ada", view_func=lambda: icon + "Ada", endpoint="ada")

    @app.get("/elsewhere")
    def elsewhere() -> str:
        return page.replace('src="', f'src="{request.args["events"]}')

    return app
