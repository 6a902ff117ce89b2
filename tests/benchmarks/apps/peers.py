"""Hosts that use other packages. They record a request, not its body, in one row and one commit."""

from __future__ import annotations

from flask import Flask

from tests.benchmarks.apps import yardstick
from tests.benchmarks.apps.host import new_host


def portal_metrics() -> Flask:
    from flask_portal_metrics import PortalMetrics

    app, db = new_host()
    app.config["SECRET_KEY"] = "it keeps a session for the visitor"
    PortalMetrics(app, db)
    app.add_url_rule("/api/events", view_func=yardstick.collect, methods=["POST"])
    return app


def view_counter() -> Flask:
    from flask_view_counter import ViewCounter

    app, db = new_host()
    with app.app_context():
        counter = ViewCounter(app, db)
    view = counter.count(yardstick.collect)
    app.add_url_rule("/api/events", view_func=view, methods=["POST"])
    return app
