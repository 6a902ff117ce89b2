"""A web server under load, while something happens to its database."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.faults.clients import Visitors, settle
from tests.faults.ledger import Ledger, stored_rows
from tests.faults.report import Report
from tests.faults.servers import Server

CALM_SECONDS = 0.7

Fault = Callable[[Visitors], None]
"""Happens, and returns when it is over."""


def under_load(
    database_url: str,
    folder: Path,
    fault: Fault,
    *,
    face: str = "view",
    kind: str = "gunicorn-gthread",
    padding: int = 0,
    settings: Mapping[str, object] = MappingProxyType({}),
    calm_after: float = CALM_SECONDS,
) -> Report:
    """Return what visitors met before, during and after a fault. The web server runs on."""
    ledger = Ledger()
    log = folder / "server.log"
    with Server(database_url, log, kind=kind, face=face, settings=settings) as server:
        with Visitors(server.port, ledger, padding=padding) as visitors:
            served = visitors.first(202, after=time.monotonic())
            assert served, f"nothing is acknowledged: {server.log_tail()}"
            time.sleep(CALM_SECONDS)
            fault(visitors)
            over = time.monotonic()
            healed = visitors.first(202, after=over)
            assert healed, f"it does not recover: {server.log_tail()}"
            time.sleep(calm_after)
        settled = settle(server.port, ledger)
        balance = ledger.balance(lambda: stored_rows(database_url))
    answers = [*visitors.answers, *settled]
    return Report(answers, balance, healed.ended_at - over, visitors.busy_seconds)
