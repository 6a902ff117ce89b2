"""What is shown: a line per measurement, and a table at the end."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version

import click

from tests.benchmarks.measure import Measurement, Setup
from tests.benchmarks.server import THREADS
from tests.mariadb import mariadb_binary
from tests.support import postgres_binary

PACKAGES = ["Flask", "SQLAlchemy", "marshmallow", "structlog", "gunicorn", "granian"]


class Progress:
    """A line per measurement: which one, its result, and how long the rest will take."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._start = time.monotonic()

    def step(self, what: str, result: str) -> None:
        self._done += 1
        each = (time.monotonic() - self._start) / self._done
        minutes, seconds = divmod(round(each * (self._total - self._done)), 60)
        count = f"[{self._done:>{len(str(self._total))}}/{self._total}]"
        click.echo(f"{count} {what}: {result} (about {minutes} min {seconds} s left)")


def in_short(measurement: Measurement) -> str:
    text = f"{measurement.events_per_second:,.0f} events/s, p99 {measurement.answers.p99_ms:.1f} ms"
    return f"{text}, TROUBLE: {measurement.trouble}" if measurement.trouble else text


def markdown_table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns but the first are aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def conditions(setup: Setup) -> str:
    """Say what the numbers were measured on."""

    def output(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    pinned = setup.server_core is not None
    disk = output("stat", "--file-system", "--format=%T", tempfile.gettempdir())
    parts = [
        f"{os.cpu_count()} cores, "
        + ("the server on one, wrk and PostgreSQL on another" if pinned else "nothing pinned"),
        f"one worker process of {THREADS} threads, keep-alive",
        f"databases on {disk}",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        f"SQLite {sqlite3.sqlite_version}",
        f"load average {setup.load_before:.1f} before",
    ]
    if setup.postgres_url is not None:
        parts.append(
            f"{output(postgres_binary('postgres') or 'postgres', '--version')} (fsync and"
            " synchronous_commit on, defaults otherwise)"
        )
    if setup.mariadb_url is not None:
        parts.append(
            f"{output(mariadb_binary('mariadbd') or 'mariadbd', '--version')}"
            " (innodb_flush_log_at_trx_commit 1)"
        )
    return "; ".join(parts) + "."
