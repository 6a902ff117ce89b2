"""The figures there are. A new one: a module with a function, and its line here."""

from __future__ import annotations

from tests.figures import crashes, deploys, disks, failures, kills, sync_order, worst_bodies
from tests.figures.figure import Figure

FIGURES = [
    Figure(
        "F1",
        "acknowledged events lost when the server is killed with -9 under load",
        "0",
        unit="kills on each database",
        full=1000,
        quick=5,
        run=kills.lost,
    ),
    Figure(
        "F2",
        "acknowledgements sent before their event was synced",
        "0",
        unit="acknowledgements",
        full=10_000,
        quick=300,
        run=sync_order.too_early,
    ),
    Figure(
        "F3",
        "acknowledged events lost when PostgreSQL crashes under load",
        "0",
        unit="crashes",
        full=100,
        quick=3,
        run=crashes.lost,
    ),
    Figure(
        "F4",
        "syncs that fail and disks that are full: events lost, wrong answers, restarts needed",
        "0; 0; 0",
        unit="times each",
        full=3,
        quick=1,
        run=disks.lost_and_wrong,
    ),
    Figure(
        "F5",
        "events stored twice after retries, where kills come between the commit and the answer",
        "0",
        unit="kills on each database",
        full=1000,
        quick=5,
        run=kills.twice,
    ),
    Figure("F6", "a public suite of JSON texts: wrongly taken, wrongly refused, 5xx", "0; 0; 0"),
    Figure("F7", "hostile text: 5xx, not read back equal, later queries that fail", "0; 0; 0"),
    Figure("F8", "fuzzing: undocumented answers, unhandled exceptions", "0; 0"),
    Figure(
        "F9",
        "failures of the database: not answered by 503, Retry-After and JSON; slowest answer;"
        " first 202 after it",
        "0; 2 s; 1 s",
        unit="times each",
        full=3,
        quick=1,
        run=failures.answers,
    ),
    Figure(
        "F10",
        "the worst request that the limits let in: memory and CPU time of one",
        "2 times the body limit; 10 ms",
        unit="requests of each kind",
        full=100,
        quick=20,
        run=worst_bodies.costs,
    ),
    Figure("F11", "events over the rate limit that forged headers get in; memory at 1M keys", "0"),
    Figure("F12", "99th percentile beside 200 stalled clients, times an idle server's", "2"),
    Figure(
        "F13",
        "rolling restarts under load: acknowledged events lost, 5xx",
        "0; 0",
        unit="restarts",
        full=100,
        quick=4,
        run=deploys.lost_and_errors,
    ),
    Figure("F14", "output: scripts run, formulas opened, personal data in logs", "0; 0; 0"),
    Figure("F15", "a purge of 5M rows while events arrive: 99th percentile, 503, rows", "2; 0; 0"),
    Figure("bots", "real browsers taken for bots; crawlers recognised", "0.5 %; as measured"),
]
