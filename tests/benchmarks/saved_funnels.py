"""What a saved funnel over days costs: asked from its counts and from the events, and kept."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, insert, select

from tcs_events import UserEvent, events_bp, reports
from tcs_events.counts import tables
from tcs_events.event import new_event_id
from tcs_events.host import registration_of
from tcs_events.reports import Period

DAYS = 30
BATCH = 5_000
EVENTS_PER_VISITOR = 10
NEW_EVENTS = 1_000
REPEATS = 3
TIMEOUT_MS = 600_000
"""Long, so that the events are all read."""
TYPES = ["visit", "search", "room_opened", "booking"]
FUNNELS = {
    "two steps, 7d": (["search", "booking"], "7d"),
    "three steps, one condition, 14d": (["search[plan=pro]", "room_opened", "booking"], "14d"),
    "four steps, 30d": (["visit", "search", "room_opened", "booking"], "30d"),
}


def events(rows: int, until: datetime, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Yield what visitors did in the days before a time, each on a few of the days."""
    chance, visitors = random.Random(seed), max(1, rows // EVENTS_PER_VISITOR)
    for _ in range(rows):
        visitor = chance.randrange(visitors)
        day = (visitor * 7 + chance.choice([0, 0, 1, 3])) % DAYS
        at = until - timedelta(days=day, seconds=chance.randrange(1, 86_400))
        yield {
            "event_id": new_event_id(),
            "session_id": f"visitor-{visitor}",
            "event_type": chance.choices(TYPES, [6, 3, 2, 1])[0],
            "payload": {"plan": chance.choice(["free", "pro"]), "text": "room near the lake " * 5},
            "created_at": at,
            "received_at": at,
        }


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that passed, and those of the processor."""
    started, busy = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - started, time.process_time() - busy


def store(app: Flask, rows: Iterator[dict[str, Any]]) -> None:
    with registration_of(app).database.engine.begin() as connection:
        while batch := list(islice(rows, BATCH)):
            connection.execute(insert(UserEvent), batch)


@click.command()
@click.option("--rows", default=500_000, show_default=True, help="The number of events.")
@click.option("--url", help="An empty database. [default: an SQLite file]")
def main(rows: int, url: str | None) -> None:
    """Measure saved funnels over days, on events of a month."""
    with tempfile.TemporaryDirectory(prefix="tcs_events_", dir="/var/tmp") as folder:
        app = Flask("saved_funnels")
        app.config.update(
            SQLALCHEMY_DATABASE_URI=url or f"sqlite:///{folder}/events.db",
            TCS_EVENTS_EVENT_TYPES=TYPES,
            TCS_EVENTS_REPORT_TIMEOUT_MS=TIMEOUT_MS,
        )
        database = SQLAlchemy(app)
        app.register_blueprint(events_bp)
        with app.app_context():
            database.create_all()
            measure(app, rows)


def measure(app: Flask, rows: int) -> None:
    refresher, now = registration_of(app).refresher, datetime.now(UTC)
    store(app, events(rows, now))
    seconds, busy = timed(refresher.refresh)
    click.echo(f"{rows:,} events counted: {seconds:.1f} s, CPU {busy:.1f} s")
    refresh_after_new_events(app, "no saved funnel", now, seeds=range(2, 2 + REPEATS))
    for name, (texts, within) in FUNNELS.items():
        reports.save_funnel(name, [reports.step(text) for text in texts], within)
    seconds, busy = timed(lambda: refresher.refresh(funnel_seconds=TIMEOUT_MS / 1000))
    with registration_of(app).database.engine.connect() as connection:
        courses = connection.scalar(select(func.count()).select_from(tables.courses))
    click.echo(f"{len(FUNNELS)} funnels counted for old days: {seconds:.1f} s, CPU {busy:.1f} s,")
    click.echo(f"  {courses:,} rows")
    refresh_after_new_events(app, "three saved funnels", now, seeds=range(20, 20 + REPEATS))
    today = now.date()
    for days in (7, DAYS):
        period = Period(today - timedelta(days=days - 1), today)
        for name, (texts, within) in FUNNELS.items():
            ask(name, period, texts, within)


def refresh_after_new_events(app: Flask, name: str, now: datetime, seeds: Sequence[int]) -> None:
    """Print what a refresh takes after new events of visitors who are there today."""
    taken = []
    for seed in seeds:
        new = events(NEW_EVENTS, now, seed)
        store(app, (row | {"created_at": now - timedelta(seconds=seed)} for row in new))
        taken.append(timed(registration_of(app).refresher.refresh))
    seconds, busy = (statistics.median(each) for each in zip(*taken, strict=True))
    click.echo(
        f"refresh after {NEW_EVENTS:,} new events, {name}: {1000 * seconds:,.0f} ms,"
        f" CPU {1000 * busy:,.0f} ms"
    )


def ask(name: str, period: Period, texts: Sequence[str], within: str) -> None:
    """Print what asking takes from the counts and from the events, and compare the answers."""
    steps = [reports.step(text) for text in texts]
    kept = reports.funnel(period, steps, within)
    read = reports.funnel(period, steps, within, break_down="plan")
    if kept.steps != read.steps or kept.counted_at is None or read.counted_at is not None:
        raise click.ClickException(f"{name}: the counts are not what the events say")
    # One more condition, which always holds, makes a funnel that is not saved.
    other = [*steps[:-1], reports.step(f"{texts[-1]}[no_such_property=null]")]
    from_counts = [timed(lambda: reports.funnel(period, steps, within)) for _ in range(REPEATS)]
    from_events = [timed(lambda: reports.funnel(period, other, within)) for _ in range(REPEATS)]
    medians = [statistics.median(s for s, _ in each) for each in (from_counts, from_events)]
    click.echo(
        f"{name}, {period.days} days, {kept.steps[0].visitors:,} visitors:"
        f" {1000 * medians[0]:,.0f} ms from counts, {1000 * medians[1]:,.0f} ms from events"
    )


if __name__ == "__main__":
    main()
