"""The host's own pages use up its connections while events arrive."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable

from tests.faults.clients import Visitors
from tests.faults.load import Fault
from tests.faults.postgres import Postgres
from tests.faults.postgres_faults import end_connections

HELD_SECONDS = 3
SMALL_POOL = {"SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 2, "max_overflow": 0}}
"""Waits for 30 seconds by SQLAlchemy's default."""
ONE_PROCESS = "gunicorn-gthread-1"


def _hold(port: int) -> list[threading.Thread]:
    def get() -> None:
        url = f"http://127.0.0.1:{port}/hold?seconds={HELD_SECONDS}"
        urllib.request.urlopen(url, timeout=30).close()

    threads = [threading.Thread(target=get) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    return threads


def all_held(postgres: Postgres) -> Fault:
    """Each connection of the pool is with a page that takes long; events have their own."""

    def fault(visitors: Visitors) -> None:
        for thread in _hold(visitors.port):
            thread.join()

    return fault


def all_held_and_ours_lost(postgres: Postgres) -> Fault:
    """Then the connections that events had for themselves are gone, and the pool has none."""

    def fault(visitors: Visitors) -> None:
        threads = _hold(visitors.port)
        end_connections(postgres, that_run="INSERT INTO user_events", or_copy="COPY user_events")
        for thread in threads:
            thread.join()

    return fault


FAULTS: dict[str, Callable[[Postgres], Fault]] = {
    "pool_held": all_held,
    "pool_held_and_ours_lost": all_held_and_ours_lost,
}
