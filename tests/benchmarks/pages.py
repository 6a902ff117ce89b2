"""How long each page of the dashboard takes, for a week, a month and a year."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from tcs_events.dashboard import create_dashboard
from tests.benchmarks.report import markdown_table

REPEATS = 5
SLOW_MS, SLOW_REPEATS = 2_000, 2
"""A page that takes longer is asked for less often."""
COUNTED_AT_MOST = 600
"""How often a page is loaded until what it counts first, a new funnel, is counted."""
PROMISED_MS, PROMISED_RATIO = 300, 2
PERIODS = (7, 30, 365)

WITH_RESULTS = "step=sage_query[result_count>0]&step=card_click"
TWO_FILTERS = "type=card_click&by=expert_id&where=context=grid&where=expert_id!=expert-1"
OF_THE_COUNTS: dict[str, str] = {
    "overview": "",
    "activity": "activity",
    "activity of a type": "activity?type=card_click",
    "activity by hour": "activity?unit=hour",
    "most used": "top",
    "unmet demand": "gaps",
    "exposure": "exposure",
    "dead ends": "dead-ends",
    "retention": "retention",
    "retention by day": "retention?unit=day",
    "retention of a type": "retention?type=card_click",
    "retention of a condition": "retention?type=card_click&where=context=sage_panel",
    "funnel": "funnel",
    "funnel with a condition": f"funnel?{WITH_RESULTS}",
    "funnel within 7 days": "funnel?within=7d",
    "funnel within 7 days, broken down": f"funnel?{WITH_RESULTS}&within=7d&break_down=result_count",
    "paths after": "paths?type=card_click",
    "paths before": "paths?type=card_click&direction=before",
    "paths after a condition": "paths?type=card_click&where=context=sage_panel",
    "paths of new visitors": "paths?type=card_click&who=new",
    "paths of known visitors": "paths?type=card_click&who=known",
    "live": "live",
    "live, of a type": "live?type=card_click",
    "timeline": "timeline",
    "timeline of a session": "timeline?session=visitor-77",
}
EXPLORED: dict[str, str] = {
    "explore as it opens": "explore",
    "explore: visitors": "explore?type=sage_query&by=result_count",
    "explore: events": "explore?type=sage_query&by=result_count&measure=events",
    "explore: average": "explore?type=sage_query&by=function_called&measure=average(result_count)",
    "explore: by item": "explore?type=card_click&by=expert_id",
    "explore: two filters": f"explore?{TWO_FILTERS}",
    "explore: new visitors": "explore?type=card_click&by=context&who=new",
    "explore: returning visitors": "explore?type=card_click&by=context&who=returning",
    "explore: known visitors": "explore?type=card_click&by=context&who=known",
}
WITHOUT_PERIOD = ("live", "live, of a type", "timeline", "timeline of a session")


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


@dataclass(frozen=True)
class Loaded:
    """What one page took, in milliseconds: each the least of several times."""

    status: int
    in_all: float
    of_this_process: float
    """Processor time of the process of the app, not of the database."""
    in_statements: float
    statements: int
    is_estimate: bool


def add_dashboard(app: Flask) -> None:
    """Give the app the dashboard, before its first request."""
    app.register_blueprint(create_dashboard(lambda: True))


def measure_pages(
    app: Flask, engine: Engine, database: str, pages: dict[str, str], repeats: int = REPEATS
) -> str:
    """Load every page for each period, as a browser does. Returns a table.

    The counts are fresh, as a worker keeps them: what refreshing them takes is a figure of its own.
    The numbers are the least of several: what else the machine does only makes them larger.
    """
    client, lines, of_pages = app.test_client(), [], []
    for name, path in pages.items():
        periods = PERIODS[1:2] if name in WITHOUT_PERIOD else PERIODS
        loaded = {
            days: _load(app, client, engine, _address(path, days), repeats) for days in periods
        }
        lines.append(_line(name, loaded))
        of_pages.append((name, loaded))
        click.echo(f"{database}, page: {' | '.join(lines[-1])}")
    head = ["page", *(f"{days} days, ms" for days in PERIODS), "year / month"]
    head += ["processor of a month, ms", "of a year, ms", "statements", "in them, ms"]
    return f"{markdown_table(head, lines)}\n\n{_verdict(of_pages)}"


def _address(path: str, days: int) -> str:
    separator = "&" if "?" in path else "?"
    return f"/insights/{path}{separator}days={days}".replace("+", "%2B")


def _load(app: Flask, client: FlaskClient, engine: Engine, address: str, repeats: int) -> Loaded:
    of_database = DatabaseTime(engine)
    with app.app_context():
        app.extensions["tcs_events"].refresher.refresh()
    for _ in range(COUNTED_AT_MOST):
        answer = client.get(address)
        if "Refresh" not in answer.headers:
            break
    walls, processor, inside = [], [], []
    while len(walls) < (SLOW_REPEATS if min(walls, default=0) > SLOW_MS else repeats):
        with of_database.measured():
            start, cpu = time.perf_counter(), time.process_time()
            answer = client.get(address)
            walls.append((time.perf_counter() - start) * 1000)
            processor.append((time.process_time() - cpu) * 1000)
        inside.append(of_database.seconds * 1000)
    return Loaded(
        answer.status_code,
        min(walls),
        min(processor),
        min(inside),
        of_database.statements,
        b"stimates from 1 in" in answer.data,
    )


def _line(name: str, loaded: dict[int, Loaded]) -> list[str]:
    month, year = loaded[30], loaded.get(365)
    return [
        name,
        *(_in_all(loaded.get(days)) for days in PERIODS),
        f"{_ratio(loaded):.1f}" if year else "",
        f"{month.of_this_process:,.0f}",
        f"{year.of_this_process:,.0f}" if year else "",
        str(month.statements),
        f"{month.in_statements:,.0f}",
    ]


def _in_all(loaded: Loaded | None) -> str:
    if loaded is None:
        return ""
    if loaded.status != 200:
        return f"{loaded.status} after {loaded.in_all:,.0f}"
    return f"{loaded.in_all:,.0f}" + (" (estimate)" if loaded.is_estimate else "")


def _ratio(loaded: dict[int, Loaded]) -> float:
    return loaded[365].in_all / loaded[30].in_all


def _verdict(of_pages: Sequence[tuple[str, dict[int, Loaded]]]) -> str:
    """Return which pages do not keep what is promised."""
    slow = [
        name
        for name, loaded in of_pages
        if any(page.status != 200 or page.in_all > PROMISED_MS for page in loaded.values())
    ]
    growing = [
        name for name, loaded in of_pages if 365 in loaded and _ratio(loaded) > PROMISED_RATIO
    ]
    return (
        f"Slower than {PROMISED_MS} ms: {', '.join(slow) or 'none'}. A year takes more than"
        f" {PROMISED_RATIO} times a month: {', '.join(growing) or 'none'}."
    )
