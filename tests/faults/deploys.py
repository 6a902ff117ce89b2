"""Workers are replaced under load, again and again, as deploys do it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Visitors, settle
from tests.faults.ledger import Ledger, stored_rows
from tests.faults.report import Report
from tests.faults.servers import Server

REPLACED_SECONDS = 30
AGAIN_SECONDS = 1.0
KINDS = ["gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent", "gunicorn-preload"]


def hup(server: Server, workers: set[int]) -> None:
    """Ask the parent for new workers, as `systemctl reload` does."""
    os.kill(server.pid, signal.SIGHUP)


def term_each_worker(server: Server, workers: set[int]) -> None:
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGTERM)


def kill_each_worker(server: Server, workers: set[int]) -> None:
    """Leave no worker the time to end in order: no deploy should, this is to see what it does."""
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


Way = Callable[[Server, set[int]], None]
WAYS: dict[str, Way] = {way.__name__: way for way in (hup, term_each_worker, kill_each_worker)}


def _replace(server: Server, way: Way) -> None:
    """Return when there are as many workers as before, and none of those.

    A worker that has just been forked does not listen to signals yet: it is asked once more. The
    parent is not: it would replace those that have just come, and on a busy machine never end.
    """
    before = server.workers()
    way(server, before)
    asked_at = time.monotonic()
    deadline = asked_at + REPLACED_SECONDS
    while (now := server.workers()) & before or len(now) < len(before):
        assert time.monotonic() < deadline, f"workers are not replaced: {server.log_tail()}"
        if time.monotonic() > asked_at + AGAIN_SECONDS:
            (term_each_worker if way is hup else way)(server, now & before)
            asked_at = time.monotonic()
        time.sleep(0.02)


def deploy_repeatedly(
    database_url: str,
    folder: Path,
    *,
    rounds: int,
    kind: str = "gunicorn-gthread",
    face: str = "view",
    way: str = "hup",
    after_round: Callable[[int], None] = lambda done: None,
) -> Report:
    """Replace all workers `rounds` times; then let every event settle."""
    ledger = Ledger()
    with Server(database_url, folder / "server.log", kind=kind, face=face) as server:
        with Visitors(server.port, ledger) as visitors:
            for done in range(1, rounds + 1):
                served = visitors.first(202, after=time.monotonic())
                assert served, f"nothing is acknowledged: {server.log_tail()}"
                _replace(server, WAYS[way])
                after_round(done)
            served = visitors.first(202, after=time.monotonic())
            assert served, f"nothing is acknowledged: {server.log_tail()}"
        settled = settle(server.port, ledger)
        balance = ledger.balance(lambda: stored_rows(database_url))
    return Report([*visitors.answers, *settled], balance)
