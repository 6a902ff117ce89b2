"""How long each page of the dashboard takes: of that, how long in the database."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask
from sqlalchemy import Engine, event

from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import PAGES
from tests.benchmarks.report import markdown_table

REPEATS = 5
PROMISED_MS = 300
PARAMETERS = {"timeline": "?session=visitor-77"}


class DatabaseTime:
    """Adds up what the statements on an engine take, until the database has the first rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds = 0.0
        self.statements = 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Begin at nothing, and measure what the block asks."""
        self.seconds, self.statements = 0.0, 0
        event.listen(self._engine, "before_cursor_execute", self._begin)
        event.listen(self._engine, "after_cursor_execute", self._end)
        try:
            yield
        finally:
            event.remove(self._engine, "before_cursor_execute", self._begin)
            event.remove(self._engine, "after_cursor_execute", self._end)

    def _begin(self, connection: Any, *_: Any) -> None:
        connection.info["benchmark_started"] = time.perf_counter()

    def _end(self, connection: Any, *_: Any) -> None:
        self.seconds += time.perf_counter() - connection.info.pop("benchmark_started")
        self.statements += 1


def add_dashboard(app: Flask) -> None:
    """Give the app the dashboard, before its first request."""
    app.register_blueprint(create_dashboard(lambda: True))


def measure_pages(app: Flask, engine: Engine, database: str) -> str:
    """Ask every page for its JSON, with the 30 days of its default. Returns a table.

    The counts are fresh, as a worker keeps them: what refreshing them takes is a figure of its own.
    """
    client, of_database = app.test_client(), DatabaseTime(engine)
    refresher = app.extensions["tcs_events"].refresher
    lines, slowest = [], 0.0
    for name in PAGES:
        address = f"/insights/api/{name}.json{PARAMETERS.get(name, '')}"
        walls, inside = [], []
        with app.app_context():
            refresher.refresh()
        for _ in range(REPEATS):
            with of_database.measured():
                start = time.perf_counter()
                answer = client.get(address)
                walls.append((time.perf_counter() - start) * 1000)
            inside.append(of_database.seconds * 1000)
        median = statistics.median(inside)
        slowest = max(slowest, median) if answer.status_code == 200 else float("inf")
        lines.append(
            [
                name if answer.status_code == 200 else f"{name}: {answer.status_code}",
                str(of_database.statements),
                f"{median:,.1f}",
                f"{statistics.median(walls):,.1f}",
                f"{len(answer.data) / 1024:,.0f}",
            ]
        )
        click.echo(f"{database}, page: {lines[-1]}")
    head = ["page as JSON", "statements", "in the database, ms", "in all, ms", "KiB"]
    verdict = "All answer" if slowest <= PROMISED_MS else "Not all answer"
    return (
        f"{markdown_table(head, lines)}\n\n{verdict} within {PROMISED_MS} ms of the database"
        f" (medians of {REPEATS}). That is the statements; rows that are read on after"
        " the first ones, as by funnel and retention and always on SQLite, are in the whole time."
    )
