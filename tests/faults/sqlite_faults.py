"""What can happen to an SQLite file while events arrive."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Visitors, settle
from tests.faults.ledger import Ledger, stored_rows
from tests.faults.load import Fault
from tests.faults.report import Report
from tests.faults.servers import Server
from tests.faults.syncs import strace

LOCKED_SECONDS = 4
READ_SECONDS = 2


def locked(path: Path, how: str) -> Fault:
    """Another process holds the write lock for longer than any answer may take."""

    def fault(visitors: Visitors) -> None:
        connection = sqlite3.connect(path, timeout=5, isolation_level=None)
        try:
            connection.execute(f"BEGIN {how}")
            time.sleep(LOCKED_SECONDS)
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    return fault


def failing_syncs(database_url: str, folder: Path, *, failing: str, face: str = "view") -> Report:
    """Let syncs of each thread fail, in the words of strace: `3` the third, `3+` all from there on.

    Where each fails once, the server goes on; after the others it is killed and started anew. A
    thread that connects syncs up to four times: were one of these to fail once, it would be one of
    every new connection.
    """
    inject = f"inject=fsync,fdatasync:error=EIO:when={failing}"
    under = strace("/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject)
    ledger = Ledger()
    log = folder / "server.log"
    server = Server(database_url, log, kind="gunicorn-gthread-1", face=face, under=under)
    with server:
        with Visitors(server.port, ledger) as visitors:
            started = time.monotonic()
            if face != "swallows_errors":
                refused = visitors.first_5xx(after=started)
                assert refused, f"no sync fails: {server.log_tail()}"
            time.sleep(0.5)
        if failing.endswith("+"):
            server.kill()
            server.under.clear()
            server.start()
        settled = settle(server.port, ledger)
        balance = ledger.balance(lambda: stored_rows(database_url))
    answers = [*visitors.answers, *settled]
    return Report(answers, balance, busy_seconds=visitors.busy_seconds)


def integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        [said] = connection.execute("PRAGMA integrity_check").fetchone()
        return str(said)


def long_read(path: Path) -> Fault:
    """A dashboard reads for long: a writer need not wait for it, the log is not written back."""

    def fault(visitors: Visitors) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM user_events").fetchall()
            time.sleep(READ_SECONDS)

    return fault


LOCKS: dict[str, Callable[[Path], Fault]] = {
    "immediate": lambda path: locked(path, "IMMEDIATE"),
    "exclusive": lambda path: locked(path, "EXCLUSIVE"),
}
