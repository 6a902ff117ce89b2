"""Several processes that count in one Redis, which is killed in between."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from tests.deployment.servers import App, gunicorn
from tests.deployment.wire import events_body, exchange, request
from tests.redis_server import RedisServer

LIMIT = 20
PATIENCE_SECONDS = 20


def statuses(app: App, posts: int) -> Counter[int]:
    """Post on a new connection each, so that the processes take turns."""
    sent = request(body=events_body(), headers=("Connection: close",))
    return Counter(exchange(app.port, sent, seconds=5).statuses[0] for _ in range(posts))


def test_processes_share_a_limit_and_outlive_its_redis(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    settings = {
        "SECRET_KEY": "made up",
        "TCS_EVENTS_CLIENT_LIMIT": f"{LIMIT}/hour",
        "TCS_EVENTS_LIMIT_STORAGE": redis_server.url,
    }
    with gunicorn(tmp_path, workers=3, threads=2, **settings) as app:
        assert len(app.workers()) == 3
        assert statuses(app, 60) == {202: LIMIT, 429: 60 - LIMIT}
        redis_server.kill()
        assert statuses(app, 60) == {202: 60}
        redis_server.start()  # empty: it counts anew
        _wait_until_limited(app)
        assert statuses(app, 30) == {429: 30}
        lines = app.log.read_text().count("tcs_events.limits_unavailable")
        assert 1 <= lines <= 3  # once in each process that has noticed


def test_processes_that_count_in_memory_have_a_limit_each(tmp_path: Path) -> None:
    """The control of the test above: without Redis, three processes let more through."""
    with gunicorn(tmp_path, workers=3, threads=2, TCS_EVENTS_CLIENT_LIMIT=f"{LIMIT}/hour") as app:
        assert statuses(app, 90)[202] > LIMIT


def _wait_until_limited(app: App) -> None:
    """Until every process has found Redis again: none lets 30 requests in a row all through."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while statuses(app, 30) != {429: 30}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
