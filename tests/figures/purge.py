"""F15: old events are deleted while new ones arrive.

The control deletes them in one statement. PostgreSQL stores events beside that; there it locks the
table first, as one does who wants the numbers to be right.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text

from tests.faults.databases import database_server, folder, new_on
from tests.faults.progress import Progress
from tests.faults.pruning import (
    MAX_RATIO,
    Action,
    Pruned,
    a_few_at_a_time,
    delete_old,
    in_one_transaction,
    prune_under_load,
)
from tests.figures.figure import Row


def under_a_lock(database_url: str, folder: Path) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE user_events IN EXCLUSIVE MODE"))
        delete_old(connection)


CONTROL_ROWS = 300_000
"""The control does harm enough with so many."""
CONTROLS: dict[str, Action] = {
    "SQLite": in_one_transaction,
    "PostgreSQL": under_a_lock,
    "MariaDB": in_one_transaction,
}


def harm_to_others(rows: int) -> list[Row]:
    """Delete so many rows from each database."""
    progress, measured = Progress(2 * len(CONTROLS)), []
    if "TMPDIR" not in os.environ:
        tempfile.tempdir = "/var/tmp"  # /tmp may be memory, where a commit costs nothing
    for name in CONTROLS:
        found: dict[str, Pruned] = {}
        with folder() as home, database_server(name.lower(), home) as server:
            few = min(rows, CONTROL_ROWS)
            ways = {"prune": (rows, a_few_at_a_time), "control": (few, CONTROLS[name])}
            for way, (count, delete) in ways.items():
                with folder() as logs, new_on(server) as url:
                    how = {"rows": count, "face": "view", "kind": "gunicorn-gthread"}
                    found[way] = prune_under_load(url, logs, delete, **how)
                progress.round_done(way=way, **found[way].row())
        pruned, control = found["prune"], found["control"]
        measured.append(
            Row(
                name,
                f"{pruned.ratio():.1f} times ({pruned.busy.p99_ms():.0f} ms, before"
                f" {pruned.calm.p99_ms():.0f} ms); {pruned.not_stored()} of"
                f" {sum(pruned.busy.statuses.values()):,} events; {pruned.wrong_rows} rows;"
                f" {rows:,} deleted in {pruned.took_seconds:.0f} s",
                not pruned.harm(),
                f"one transaction of {few:,}: {control.ratio():.1f} times;"
                f" {control.not_stored()} events; {control.wrong_rows} rows",
                control.ratio() > MAX_RATIO or control.not_stored() > 0,
            )
        )
    tempfile.tempdir = None
    return measured
