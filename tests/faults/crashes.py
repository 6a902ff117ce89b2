"""A database server crashes again and again under load, and the web server stays up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.faults.clients import Visitors, settle
from tests.faults.ledger import Balance, Ledger, stored_rows
from tests.faults.report import Report
from tests.faults.servers import Server


class Crashing(Protocol):
    """A server that crashes."""

    url: str
    """Of the database that events go into."""

    def crash(self, number: int) -> None:
        """Crash for the nth time, in one way or another, and start again."""


def crash_repeatedly(
    database: Crashing,
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
    with Server(database.url, folder / "server.log", kind=kind, face=face) as server:
        with Visitors(server.port, ledger) as visitors:
            for done in range(1, rounds + 1):
                served = visitors.first(202, after=time.monotonic())
                assert served, f"nothing is acknowledged: {server.log_tail()}"
                time.sleep(random.uniform(0.0, 0.4))
                database.crash(done)
                balance = ledger.balance(lambda: stored_rows(database.url))
                after_round(done, balance)
                if until(balance):
                    break
        settled = settle(server.port, ledger)
        balance = ledger.balance(lambda: stored_rows(database.url))
    return Report([*visitors.answers, *settled], balance)
