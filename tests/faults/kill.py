"""Kill the whole web server again and again under load, and compare what is left."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Visitors, settle
from tests.faults.databases import database_server, folder, new_on
from tests.faults.ledger import Balance, Ledger, stored_rows
from tests.faults.report import Report
from tests.faults.servers import Server

ROUNDS_PER_DATABASE = 25


def kill_repeatedly(
    database_url: str,
    logs: Path,
    *,
    rounds: int,
    kind: str = "gunicorn-gthread",
    face: str = "view",
    after_round: Callable[[int, Balance], None] = lambda done, balance: None,
    until: Callable[[Balance], bool] = lambda balance: False,
) -> Report:
    """Kill a server `rounds` times, or until a condition holds; then let every event settle."""
    ledger = Ledger()
    with Server(database_url, logs / "server.log", kind=kind, face=face) as server:
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


def kill_on_new_databases(
    database: str,
    rounds: int,
    *,
    kind: str = "gunicorn-gthread",
    face: str = "view",
    after_round: Callable[[Counter[str]], None] = lambda total: None,
) -> Counter[str]:
    """Kill `rounds` times, on a new database every now and then, for rows are read each round.

    Returns the counts of all: sent, acked, stored, missing, twice, unanswered, and broken, which is
    how many events any broken promise concerns.
    """
    total: Counter[str] = Counter()

    def round_done(done: int, balance: Balance) -> None:
        so_far = {
            "acked": balance.acknowledged,
            "missing": len(balance.missing),
            "twice": len(balance.twice),
        }
        after_round(total + Counter(so_far))

    with folder() as home, database_server(database, home) as server:
        for begun in range(0, rounds, ROUNDS_PER_DATABASE):
            with folder() as logs, new_on(server) as url:
                report = kill_repeatedly(
                    url,
                    logs,
                    rounds=min(ROUNDS_PER_DATABASE, rounds - begun),
                    kind=kind,
                    face=face,
                    after_round=round_done,
                )
            balance = report.balance
            total.update(
                sent=balance.sent,
                acked=balance.acknowledged,
                stored=balance.stored,
                missing=len(balance.missing),
                twice=len(balance.twice),
                unanswered=report.statuses().get(0, 0),
                broken=sum(balance.violations.values()) + balance.unknown,
            )
    return total
