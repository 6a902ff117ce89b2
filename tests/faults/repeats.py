"""The same event from several tabs at the same moment, and twice in one batch."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from tests.faults.clients import Answer, Visitor, settle
from tests.faults.ledger import Ledger, stored_rows
from tests.faults.report import Report
from tests.faults.servers import Server

SENDERS = 5


def post_repeats(port: int, ledger: Ledger, events: int) -> list[Answer]:
    """Send each event two to five times at once, on as many connections; some twice in a batch."""
    answers: list[Answer] = []
    together = threading.Barrier(SENDERS)
    turns = []
    for _ in range(events):
        key = ledger.send()
        senders = random.sample(range(SENDERS), random.randint(2, SENDERS))
        turns.append({sender: random.choice([[key], [key, key]]) for sender in senders})

    def send(sender: int) -> None:
        visitor = Visitor(port, ledger, answers)
        try:
            for turn in turns:
                together.wait(30)
                if sender in turn:
                    visitor.post(turn[sender])
        finally:
            visitor.close()

    threads = [threading.Thread(target=send, args=[sender]) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def repeat(
    database_url: str,
    folder: Path,
    *,
    events: int,
    face: str = "view",
    kind: str = "gunicorn-gthread",
) -> Report:
    ledger = Ledger()
    with Server(database_url, folder / "server.log", kind=kind, face=face) as server:
        answers = post_repeats(server.port, ledger, events)
        answers += settle(server.port, ledger)
    return Report(answers, ledger.balance(lambda: stored_rows(database_url)))
