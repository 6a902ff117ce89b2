"""How long an answer takes when the server is half busy, beside what one commit takes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.benchmarks.database import commit_ms
from tests.benchmarks.measure import Setup, measure
from tests.benchmarks.report import Progress, in_short, markdown_table
from tests.benchmarks.rows import MIDDLEWARE

CONNECTIONS = 64
HEAD = ["", "asked/s", "events/s", "p50 ms", "p99 ms", "one commit ms", "p99 / commit", "late %"]


def run(setup: Setup, databases: Sequence[str], seconds: int, repeats: int) -> tuple[str, bool]:
    """Find the rate that is too much, then post at half of it.

    Returns the table of medians, and whether all events were accepted and stored.
    """
    progress = Progress(2 * len(databases) * repeats)
    found: dict[str, list[list[float]]] = {database: [] for database in databases}
    well = True
    for repeat in range(1, repeats + 1):
        for database in databases:
            with setup.database(database) as (_, url):
                commit = commit_ms(url)
            what = f"repeat {repeat}, {database}"
            load = (setup, MIDDLEWARE, "granian", database, CONNECTIONS, seconds)
            full = measure(*load)
            progress.step(f"{what}, as fast as it goes", in_short(full))
            rate = full.events_per_second / 2
            half = measure(*load, rate=rate)
            answers = half.answers
            progress.step(f"{what}, at {rate:,.0f} events/s", in_short(half))
            well = well and not full.trouble and not half.trouble
            numbers = [rate, half.events_per_second, answers.p50_ms, answers.p99_ms, commit]
            numbers += [answers.p99_ms / commit, answers.late_share * 100]
            found[database].append(numbers)
    lines = []
    for database, repeated in found.items():
        numbers = [median(column) for column in zip(*repeated, strict=True)]
        lines.append(
            [database, *(f"{n:,.0f}" for n in numbers[:2]), *(f"{n:,.2f}" for n in numbers[2:])]
        )
    title = f"Half of the full rate, granian, {CONNECTIONS} connections."
    title += f" Medians over {repeats} run(s) of {seconds} s."
    note = "Late: sent after its time, for want of a free connection; p99 leaves that wait out."
    return f"{title}\n\n{markdown_table(HEAD, lines)}\n\n{note}", well
