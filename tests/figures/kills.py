"""F1 and F5: the server is killed with -9, again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.faults.databases import database_server, folder, new_on
from tests.faults.kill import kill_on_new_databases, kill_repeatedly
from tests.faults.ledger import Balance
from tests.faults.progress import Progress
from tests.figures.figure import Row

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
CONTROL_KILLS = 10


def _kill(database: str, kills: int, face: str) -> Counter[str]:
    progress = Progress(kills)

    def after_round(total: Counter[str]) -> None:
        seen = {name: total[name] for name in ("acked", "missing", "twice")}
        progress.round_done(database=database, **seen)

    return kill_on_new_databases(database, kills, face=face, after_round=after_round)


def _control(database: str, face: str, broken: Callable[[Balance], int]) -> Balance:
    with folder() as home, database_server(database, home) as server, new_on(server) as url:
        return kill_repeatedly(
            url,
            home,
            rounds=CONTROL_KILLS,
            face=face,
            until=lambda balance: bool(broken(balance)),
        ).balance


def lost(kills: int) -> list[Row]:
    rows = []
    for database, name in DATABASES.items():
        total = _kill(database, kills, "view")
        control = _control(database, "answers_first", lambda balance: len(balance.missing))
        rows.append(
            Row(
                name,
                f"{total['missing']} lost of {total['acked']:,} acknowledged; {kills:,} kills,"
                f" {total['unanswered']:,} answers cut off",
                not total["broken"],
                f"answers before it commits: {len(control.missing)} lost",
                bool(control.missing),
            )
        )
    return rows


def twice(kills: int) -> list[Row]:
    rows = []
    for database, name in DATABASES.items():
        total = _kill(database, kills, "answers_late")
        control = _control(database, "forgets_ids", lambda balance: len(balance.twice))
        rows.append(
            Row(
                name,
                f"{total['twice']} twice of {total['stored']:,} stored; {kills:,} kills,"
                f" {total['unanswered']:,} requests sent again without an answer",
                not total["broken"],
                f"event ids left out: {len(control.twice)} twice",
                bool(control.twice),
            )
        )
    return rows
