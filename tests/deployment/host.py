"""The app behind nginx, as the documents deploy it.

The environment says what it is: DATABASE_URL, SETTINGS (JSON), PROXIED (1 where nginx is in front).
"""

from __future__ import annotations

import json
import os

import pytest
import structlog
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.proxy_fix import ProxyFix

from tcs_events import events_bp
from tcs_events.wsgi import EventsMiddleware
from tests.deployment.wire import PATIENCE_SECONDS
from tests.patience import be_patient

LONG_PAGE = "/long"


def create_app() -> Flask:
    from tcs_events.intake import rate_limits  # it needs an extra, and LONG_PAGE does not

    # A healthy database or Redis may be slow on a busy machine: neither counts as gone for that.
    be_patient(pytest.MonkeyPatch())
    rate_limits.TIMEOUT_SECONDS = rate_limits.CHECK_SECONDS = PATIENCE_SECONDS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    app, db = Flask("host"), SQLAlchemy()
    app.config.update(json.loads(os.environ.get("SETTINGS", "{}")))
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    app.register_blueprint(events_bp)
    app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    if os.environ.get("PROXIED") == "1":
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]
    app.add_url_rule("/alive", view_func=lambda: "yes", endpoint="alive")
    app.add_url_rule(LONG_PAGE, view_func=lambda: "long " * 200_000, endpoint="long")
    return app
