"""The host that the servers serve.

The environment says what it is: DATABASE_URL, FACE (a key of `FACES`), SETTINGS (JSON), and
PATIENT where the server may take the time that a busy machine needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import structlog
from flask import Flask

from tcs_events.watch import tally
from tests.faults import broken_hosts, good_hosts
from tests.patience import be_patient

FACES: dict[str, Callable[[str], Flask]] = {
    face.__name__: face
    for face in (
        good_hosts.view,
        good_hosts.middleware,
        good_hosts.creates_tables,
        good_hosts.answers_late,
        good_hosts.ends_requests,
        good_hosts.measured,
        good_hosts.reads_bodies,
        broken_hosts.answers_first,
        broken_hosts.naive,
        broken_hosts.swallows_errors,
        broken_hosts.forgets_ids,
        broken_hosts.unsynced,
        broken_hosts.connects_early,
    )
}


def create_app() -> Flask:
    # A line per stored event would make the log the slowest part of the load.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    # Written down more often than a test would like to wait.
    tally.EVERY_SECONDS = float(os.environ.get("TCS_EVENTS_TEST_TALLY_SECONDS", "10"))
    if "PATIENT" in os.environ:
        be_patient(pytest.MonkeyPatch())
    app = FACES[os.environ["FACE"]](os.environ["DATABASE_URL"])
    app.add_url_rule("/alive", view_func=lambda: "yes", endpoint="alive")
    return app


def create_tables(database_url: str) -> None:
    """Make the tables once, before servers with several processes would race to make them."""
    app = good_hosts.view(database_url)
    with app.app_context():
        database = app.extensions["sqlalchemy"]
        database.create_all()
        for engine in database.engines.values():
            engine.dispose()
