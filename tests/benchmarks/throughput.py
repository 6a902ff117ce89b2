"""How many events per second: every row, beside the yardstick of the same run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.measure import Measurement, Setup, measure
from tests.benchmarks.report import Progress, in_short, markdown_table
from tests.benchmarks.rows import PEERS_NOT_RUN, YARDSTICK, Row
from tests.benchmarks.server import THREADS

YARDSTICK_THREADS = (4, THREADS)  # fewer threads may be faster; it is given the better of both


@dataclass(frozen=True)
class Case:
    """A line of the tables."""

    server: str
    connections: int
    database: str | None  # None for the yardstick, which has none
    row: Row


Results = dict[Case, list[Measurement]]
"""A measurement per repeat."""


def run(
    setup: Setup,
    rows: Sequence[Row],
    servers: Sequence[str],
    databases: Sequence[str],
    connections: Sequence[int],
    seconds: int,
    repeats: int,
) -> tuple[str, bool]:
    """Measure every row in turn, then all of them again: a slow minute hits them all.

    Returns the report, and whether all events of ours were accepted and stored.
    """
    cases = [
        Case(server, count, database, row)
        for server in servers
        for count in connections
        for database in [None, *databases]
        for row in rows
        if (row is YARDSTICK) == (database is None)
    ]
    runs = [(case, threads) for case in cases for threads in _threads(case)]
    progress = Progress(len(runs) * repeats)
    results: Results = {case: [] for case in cases}
    for repeat in range(1, repeats + 1):
        for case in cases:
            tries = []
            for threads in _threads(case):
                database = case.database or "sqlite"
                one = (setup, case.row, case.server, database, case.connections, seconds, threads)
                tries.append(measure(*one))
                what = [case.server, f"{case.connections} connections", f"{threads} threads"]
                what += [case.database or "no database", case.row.name]
                progress.step(f"repeat {repeat}, {', '.join(what)}", in_short(tries[-1]))
            results[case].append(max(tries, key=lambda one: one.events_per_second))
    well = not any(one.trouble for case in cases if case.row.ours for one in results[case])
    return _report(results, seconds, repeats), well


def _threads(case: Case) -> tuple[int, ...]:
    return YARDSTICK_THREADS if case.row is YARDSTICK else (THREADS,)


def _report(results: Results, seconds: int, repeats: int) -> str:
    """Return a table per database, server and number of connections."""
    head = ["", "events/s", "of the yardstick", "CPU µs/event", "p50 ms", "p99 ms", "trouble"]
    text = [f"Medians over {repeats} run(s) of {seconds} s."]
    tables = dict.fromkeys(
        (case.database, case.server, case.connections) for case in results if case.database
    )
    for database, server, connections in tables:
        yardstick = results.get(Case(server, connections, None, YARDSTICK), [])
        lines = [_line(YARDSTICK, yardstick, yardstick)] if yardstick else []
        lines += [
            _line(case.row, measurements, yardstick)
            for case, measurements in results.items()
            if (case.database, case.server, case.connections) == (database, server, connections)
        ]
        text.append(f"**{database}, {server}, {connections} connections**")
        text.append(markdown_table(head, lines))
    rows = dict.fromkeys(case.row for case in results)
    notes = [f"- {row.name}: {row.meaning}" for row in rows]
    notes.append("- p50 and p99 are those of a request, so of a whole batch where there is one")
    notes.append("- CPU is that of the server's processes; PostgreSQL's own is not in it")
    if any(row.peer for row in rows):
        notes += [f"- {name} does not run: {reason}" for name, reason in PEERS_NOT_RUN.items()]
    return "\n\n".join([*text, "\n".join(notes)])


def _line(
    row: Row, measurements: Sequence[Measurement], yardstick: Sequence[Measurement]
) -> list[str]:
    def middle(number: Callable[[Measurement], float]) -> float:
        return median(map(number, measurements))

    ratios = [
        ours.events_per_second / theirs.events_per_second
        for ours, theirs in zip(measurements, yardstick, strict=bool(yardstick))
    ]
    return [
        row.name,
        f"{middle(lambda one: one.events_per_second):,.0f}",
        f"{median(ratios):.2f}" if ratios else "",
        f"{middle(lambda one: one.cpu_us_per_event):,.0f}",
        f"{middle(lambda one: one.answers.p50_ms):,.1f}",
        f"{middle(lambda one: one.answers.p99_ms):,.1f}",
        "; ".join(one.trouble for one in measurements if one.trouble),
    ]
