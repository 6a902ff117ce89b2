"""tcs_events in a host, as the README says to put it there."""

from __future__ import annotations

from flask import Flask

from tcs_events import events_bp
from tests.benchmarks.apps.host import new_host
from tests.benchmarks.apps.logs import log_as_in_production


def create_app() -> Flask:
    log_as_in_production()
    app, db = new_host()
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()
    return app


def create_app_with_middleware() -> Flask:
    from tcs_events.wsgi import EventsMiddleware  # the other row shall not load it

    app = create_app()
    app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    return app
