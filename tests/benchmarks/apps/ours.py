"""tcs_events in a host, as the documents say to put it there."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from flask import Flask

from tcs_events import events_bp
from tcs_events.event import Outcome, Record
from tcs_events.stores.contract import Result
from tcs_events.stores.mariadb import MariaCommitter
from tcs_events.stores.postgresql import PostgresCommitter
from tcs_events.stores.sqlite import SqliteCommitter
from tests.benchmarks.apps.host import new_host
from tests.benchmarks.apps.logs import log_as_in_production

COMMIT_SECONDS = 0.0005


def create_app() -> Flask:
    log_as_in_production()
    return _host()


def create_app_with_middleware() -> Flask:
    return _in_front_of_flask(create_app())


def create_app_with_structlog_as_it_comes() -> Flask:
    """The same, where nobody has set structlog up: it writes coloured lines to stdout."""
    return _in_front_of_flask(_host())


def create_app_without_info_lines() -> Flask:
    """The same, where the host leaves out what is below a warning."""
    return _in_front_of_flask(create_app_without_middleware_or_info_lines())


def create_app_without_middleware_or_info_lines() -> Flask:
    log_as_in_production(logging.WARNING)
    return _host()


def create_app_whose_commits_cost_nothing() -> Flask:
    """The same with a database that only takes time, as a bound: nothing is stored."""

    def write(_: object, records: Sequence[Record], deadline: float) -> list[Result]:
        time.sleep(COMMIT_SECONDS)
        return [Outcome.ACCEPTED] * len(records)

    for committer in (SqliteCommitter, PostgresCommitter, MariaCommitter):
        committer.write = write  # type: ignore[method-assign]
    return create_app_without_info_lines()


def _host() -> Flask:
    app, db = new_host()
    app.register_blueprint(events_bp)
    with app.app_context():
        db.create_all()
    return app


def _in_front_of_flask(app: Flask) -> Flask:
    from tcs_events.wsgi import EventsMiddleware  # the other row shall not load it

    app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    return app
