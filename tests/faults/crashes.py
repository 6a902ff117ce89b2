"""PostgreSQL crashes again and again under load, and the web server stays up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Visitors, settle
from tests.faults.ledger import Balance, Ledger, stored_rows
from tests.faults.postgres import Postgres
from tests.faults.report import Report
from tests.faults.servers import Server


def _crash(postgres: Postgres, number: int) -> None:
    """Stop it without a checkpoint; every second time nothing of it can do anything more at all."""
    if number % 2:
        postgres.stop("immediate")
    else:
        postgres.kill()
    postgres.start()


def crash_repeatedly(
    postgres: Postgres,
    folder: Path,
    *,
    rounds: int,
    face: str = "view",
    kind: str = "gunicorn-gthread",
    after_round: Callable[[int, Balance], None] = lambda done, balance: None,
    until: Callable[[Balance], bool] = lambda balance: False,
) -> Report:
    """Crash a database `rounds` times, or until a condition holds; then let every event settle."""
    ledger = Ledger()
    with Server(postgres.url, folder / "server.log", kind=kind, face=face) as server:
        with Visitors(server.port, ledger) as visitors:
            for done in range(1, rounds + 1):
                served = visitors.first(202, after=time.monotonic())
                assert served, f"nothing is acknowledged: {server.log_tail()}"
                time.sleep(random.uniform(0.0, 0.4))
                _crash(postgres, done)
                balance = ledger.balance(lambda: stored_rows(postgres.url))
                after_round(done, balance)
                if until(balance):
                    break
        settled = settle(server.port, ledger)
        balance = ledger.balance(lambda: stored_rows(postgres.url))
    return Report([*visitors.answers, *settled], balance)
