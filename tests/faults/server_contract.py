"""Good, repeated and bad events from many clients at once, answered and counted one by one."""

from __future__ import annotations

import itertools
import random
import threading
import time
from pathlib import Path

from tests.faults.clients import Answer, Visitor, Visitors, events_at_once, settle
from tests.faults.ledger import Ledger, stored_rows
from tests.faults.report import Report
from tests.faults.servers import Server

CLIENTS = 16


def post_mixed(port: int, ledger: Ledger, events: int) -> list[Answer]:
    """Post so many events: of ten, seven new ones, two that were or are being sent, a bad one."""
    keys: list[str] = []
    for _ in range(events):
        kind = random.random()
        if kind < 0.7 or not keys:
            keys.append(ledger.send())
        elif kind < 0.9:
            # A near one: its first copy may be in flight on another connection.
            keys.append(random.choice(keys[-8:]))
        else:
            keys.append(ledger.send(good=False))
    answers: list[Answer] = []
    work, taking = iter(keys), threading.Lock()

    def client(at_once: int) -> None:
        visitor = Visitor(port, ledger, answers)
        try:
            while True:
                with taking:
                    taken = list(itertools.islice(work, at_once))
                if not taken:
                    return
                visitor.post(taken)
        finally:
            visitor.close()

    sizes = map(events_at_once, range(CLIENTS))
    threads = [threading.Thread(target=client, args=[size]) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def reconcile(database_url: str, folder: Path, *, events: int, kind: str, face: str) -> Report:
    """Post to a healthy server."""
    ledger = Ledger()
    with Server(database_url, folder / "server.log", kind=kind, face=face) as server:
        answers = post_mixed(server.port, ledger, events)
        answers += settle(server.port, ledger)
    return Report(answers, ledger.balance(lambda: stored_rows(database_url)))


def stop_in_order(database_url: str, folder: Path, *, kind: str, face: str) -> tuple[Report, float]:
    """Stop a server under load as a deploy does; return also the seconds that it took."""
    ledger = Ledger()
    with Server(database_url, folder / "server.log", kind=kind, face=face) as server:
        with Visitors(server.port, ledger, count=CLIENTS) as visitors:
            served = visitors.first(202, after=time.monotonic())
            assert served, f"nothing is acknowledged: {server.log_tail()}"
            time.sleep(0.3)
            seconds = server.stop()
        server.start()
        settled = settle(server.port, ledger)
        balance = ledger.balance(lambda: stored_rows(database_url))
    return Report([*visitors.answers, *settled], balance), seconds
