"""Serve visitors under strace, and see that every 202 came after the sync of its event."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.clients import Visitors, settle
from tests.faults.ledger import Ledger
from tests.faults.servers import Server
from tests.faults.syncs import SyncOrder, tracing

MAX_SECONDS = 60
SLOW_SYNC_SECONDS = 0.3


def _tracing_syncs(trace: Path, inject: str) -> list[str]:
    options = ["-e", f"inject=fsync,fdatasync:{inject}"] if inject else []
    return tracing(str(trace), *options)


def _read(order: SyncOrder, trace: Path) -> None:
    with trace.open(errors="replace") as lines:
        order.read(lines)
    trace.unlink()


def trace_acknowledgements(
    database_url: str,
    folder: Path,
    *,
    acknowledgements: int,
    visitors: int = 12,
    face: str = "view",
    kind: str = "gunicorn-gthread",
    failing: str = "",
) -> SyncOrder:
    """Serve until so many events are acknowledged; return what the trace says of them.

    `failing` tells which syncs of each thread fail, in the words of strace.
    """
    trace = folder / "trace"
    under = _tracing_syncs(trace, f"error=EIO:when={failing}" if failing else "")
    log = folder / "server.log"
    ledger = Ledger()
    deadline = time.monotonic() + MAX_SECONDS
    with (
        Server(database_url, log, kind=kind, face=face, under=under) as server,
        Visitors(server.port, ledger, count=visitors),
    ):
        while ledger.acknowledged() < acknowledgements:
            assert time.monotonic() < deadline, server.log_tail()
            time.sleep(0.05)
    order = SyncOrder()
    _read(order, trace)
    # Or it was not this server's trace.
    assert order.acknowledged >= acknowledgements
    return order


def trace_a_kill_before_the_sync(
    database_url: str, folder: Path, *, face: str = "view"
) -> SyncOrder:
    """Kill a server between a write and its sync; trace how the next one answers the retries."""
    trace = folder / "trace"
    log = folder / "server.log"
    ledger = Ledger()
    order = SyncOrder()
    server = Server(database_url, log, kind="gunicorn-gthread-1", face=face)
    delay = f"delay_enter={int(SLOW_SYNC_SECONDS * 1e6)}"
    server.under[:] = _tracing_syncs(trace, delay)
    with server:
        with Visitors(server.port, ledger) as visitors:
            assert visitors.first(202, after=time.monotonic()), server.log_tail()
            time.sleep(SLOW_SYNC_SECONDS / 2)  # the next group is written, its sync still to come
            server.kill()
        _read(order, trace)
        server.under[:] = _tracing_syncs(trace, "")
        server.start()
        settle(server.port, ledger)
    _read(order, trace)
    assert ledger.outstanding() == [], server.log_tail()
    return order
