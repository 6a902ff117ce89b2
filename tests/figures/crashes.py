"""F3: PostgreSQL and MariaDB crash, again and again."""

from __future__ import annotations

from pathlib import Path

from tests.faults.crashes import crash_repeatedly
from tests.faults.databases import folder
from tests.faults.ledger import Balance
from tests.faults.mariadb_faults import Crashing
from tests.faults.postgres import Postgres, running_postgres
from tests.faults.progress import Progress
from tests.faults.report import Report
from tests.figures.figure import Row
from tests.mariadb import running_mariadb
from tests.support import new_database

CONTROL_CRASHES = 10


def _crash_postgres(rounds: int, *, is_synced: bool) -> Report:
    face = "view" if is_synced else "unsynced"
    with folder() as home, running_postgres() as postgres:
        return _crash(postgres, home, rounds, face, until_lost=not is_synced)


def _crash_mariadb(rounds: int, *, is_synced: bool) -> Report:
    options = () if is_synced else ("--innodb-flush-log-at-trx-commit=0",)
    with (
        folder() as home,
        running_mariadb(*options) as server,
        new_database(server.url, "crashes") as url,
    ):
        return _crash(Crashing(server, url), home, rounds, "view", until_lost=not is_synced)


def _crash(
    database: Postgres | Crashing, home: Path, rounds: int, face: str, *, until_lost: bool
) -> Report:
    progress = Progress(rounds)

    def after_round(done: int, balance: Balance) -> None:
        progress.round_done(face=face, acked=balance.acknowledged, missing=len(balance.missing))

    return crash_repeatedly(
        database,
        home,
        rounds=rounds,
        face=face,
        after_round=after_round,
        until=lambda balance: until_lost and bool(balance.missing),
    )


DATABASES = {
    "PostgreSQL": (
        _crash_postgres,
        "`-m immediate` and kill -9 of all its processes in turn",
        "synchronous_commit=off",
    ),
    "MariaDB": (_crash_mariadb, "kill -9", "innodb_flush_log_at_trx_commit=0"),
}


def lost(rounds: int) -> list[Row]:
    rows = []
    for name, (crash, way, careless) in DATABASES.items():
        report = crash(rounds, is_synced=True)
        control = crash(CONTROL_CRASHES, is_synced=False).balance
        balance, statuses = report.balance, report.statuses()
        wrong = sum(count for status, count in statuses.items() if status not in (202, 503))
        rows.append(
            Row(
                name,
                f"{len(balance.missing)} lost of {balance.acknowledged:,} acknowledged;"
                f" {rounds:,} crashes ({way}), {statuses.get(503, 0):,} answers of 503,"
                f" {wrong} of anything else",
                not balance.violations and not balance.unknown and not wrong,
                f"{careless}: {len(control.missing)} lost",
                bool(control.missing),
            )
        )
    return rows
