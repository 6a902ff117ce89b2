"""F2: the sync comes before the 202, read from the system calls of the server."""

from __future__ import annotations

from tests.faults.databases import database_server, folder, new_on
from tests.faults.progress import Progress
from tests.faults.sync_order import trace_acknowledgements
from tests.figures.figure import Row

TRACED_AT_ONCE = 500  # a trace holds every page that was written


def _trace(acknowledgements: int, face: str) -> tuple[int, int, int]:
    acknowledged = syncs = early = 0
    rounds = -(-acknowledgements // TRACED_AT_ONCE)
    progress = Progress(rounds)
    for number in range(rounds):
        with folder() as home, database_server("sqlite", home) as server, new_on(server) as url:
            order = trace_acknowledgements(
                url,
                home,
                acknowledgements=min(TRACED_AT_ONCE, acknowledgements),
                visitors=1 if number % 2 else 12,
                face=face,
            )
        acknowledged += order.acknowledged
        syncs += order.syncs
        early += len(order.too_early)
        progress.round_done(face=face, acked=acknowledged, syncs=syncs, early=early)
    return acknowledged, syncs, early


def too_early(acknowledgements: int) -> list[Row]:
    acknowledged, syncs, early = _trace(acknowledgements, "view")
    unsynced, _, unsynced_early = _trace(TRACED_AT_ONCE, "unsynced")
    return [
        Row(
            "SQLite",
            f"{early} of {acknowledged:,}; {syncs:,} syncs",
            not early and syncs > 0,
            f"synchronous=NORMAL: {unsynced_early:,} of {unsynced:,}",
            unsynced_early > unsynced / 2,
        )
    ]
