"""Several processes that count in one Redis, which is killed in between."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.deployment.servers import App, gunicorn
from tests.deployment.wire import PATIENCE_SECONDS, connect, events_body, read_answers, request
from tests.redis_server import RedisServer

LIMIT = 20
WORKERS = 3


def statuses(app: App, rounds: int) -> Counter[int]:
    """Let every process answer one event a round, whatever the scheduler would prefer.

    A process of one thread reads one request at a time. So each of three requests that are not
    ended yet is with a process of its own.
    """
    sent = request(body=events_body(), headers=("Connection: close",))
    answered: Counter[int] = Counter()
    for _ in range(rounds):
        with ExitStack() as connections:
            clients = [connections.enter_context(connect(app.port)) for _ in range(WORKERS)]
            for client in clients:
                client.sendall(sent[:-1])
            for client in clients:
                client.sendall(sent[-1:])
                answered.update(read_answers(client).statuses)
    return answered


def test_processes_share_a_limit_and_outlive_its_redis(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    settings = {
        "SECRET_KEY": "made up",
        "TCS_EVENTS_CLIENT_LIMIT": f"{LIMIT}/hour",
        "TCS_EVENTS_LIMIT_STORAGE": redis_server.url,
    }
    with gunicorn(tmp_path, workers=WORKERS, threads=1, **settings) as app:
        assert statuses(app, 20) == {202: LIMIT, 429: 60 - LIMIT}
        redis_server.kill()
        assert statuses(app, 20) == {202: 60}
        redis_server.start()  # empty: it counts anew
        _wait_until_limited(app)
        assert statuses(app, 10) == {429: 30}
        lines = app.log.read_text().count("tcs_events.limits_unavailable")
        assert lines == WORKERS  # once in each process


def test_processes_that_count_in_memory_have_a_limit_each(tmp_path: Path) -> None:
    """The control of the test above: without Redis, three processes let more through."""
    limit = f"{LIMIT}/hour"
    with gunicorn(tmp_path, workers=WORKERS, threads=1, TCS_EVENTS_CLIENT_LIMIT=limit) as app:
        assert statuses(app, LIMIT + 1) == {202: WORKERS * LIMIT, 429: WORKERS}


def _wait_until_limited(app: App) -> None:
    """Until every process has found Redis again, and the limit is used up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while statuses(app, 1) != {429: WORKERS}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
