"""Kill the whole web server again and again under load, and compare what is left."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Visitors, settle
from tests.faults.ledger import Balance, Ledger, stored_rows
from tests.faults.report import Report
from tests.faults.servers import Server


def kill_repeatedly(
    database_url: str,
    folder: Path,
    *,
    rounds: int,
    kind: str = "gunicorn-gthread",
    face: str = "view",
    after_round: Callable[[int, Balance], None] = lambda done, balance: None,
    until: Callable[[Balance], bool] = lambda balance: False,
) -> Report:
    """Kill a server `rounds` times, or until a condition holds; then let every event settle."""
    ledger = Ledger()
    with Server(database_url, folder / "server.log", kind=kind, face=face) as server:
        with Visitors(server.port, ledger) as visitors:
            for done in range(1, rounds + 1):
                served = visitors.first(202, after=time.monotonic())
                assert served, f"nothing is acknowledged: {server.log_tail()}"
                time.sleep(random.uniform(0.0, 0.4))
                server.kill()
                server.start()
                # With the server up: a reader that is alone with an SQLite file would recover it
                # in the server's stead.
                balance = ledger.balance(lambda: stored_rows(database_url))
                after_round(done, balance)
                if until(balance):
                    break
        settled = settle(server.port, ledger)
        balance = ledger.balance(lambda: stored_rows(database_url))
    return Report([*visitors.answers, *settled], balance)
