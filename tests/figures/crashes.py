"""F3: PostgreSQL and MariaDB crash, again and again."""

from __future__ import annotations

from tests.faults.crashes import crash_repeatedly
from tests.faults.databases import folder
from tests.faults.ledger import Balance
from tests.faults.postgres import running_postgres
from tests.faults.progress import Progress
from tests.faults.report import Report
from tests.figures.figure import Row

CONTROL_CRASHES = 10


def _crash(rounds: int, face: str, *, until_lost: bool) -> Report:
    progress = Progress(rounds)

    def after_round(done: int, balance: Balance) -> None:
        progress.round_done(face=face, acked=balance.acknowledged, missing=len(balance.missing))

    with folder() as home, running_postgres() as postgres:
        return crash_repeatedly(
            postgres,
            home,
            rounds=rounds,
            face=face,
            after_round=after_round,
            until=lambda balance: until_lost and bool(balance.missing),
        )


def lost(rounds: int) -> list[Row]:
    report = _crash(rounds, "view", until_lost=False)
    control = _crash(CONTROL_CRASHES, "unsynced", until_lost=True).balance
    balance, statuses = report.balance, report.statuses()
    wrong = sum(count for status, count in statuses.items() if status not in (202, 503))
    return [
        Row(
            "PostgreSQL",
            f"{len(balance.missing)} lost of {balance.acknowledged:,} acknowledged;"
            f" {rounds:,} crashes (`-m immediate` and kill -9 of all its processes in turn),"
            f" {statuses.get(503, 0):,} answers of 503, {wrong} of anything else",
            not balance.violations and not balance.unknown and not wrong,
            f"synchronous_commit=off: {len(control.missing)} lost",
            bool(control.missing),
        )
    ]
