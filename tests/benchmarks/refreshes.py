"""What a refresh costs after a few new events on a day of many, beside counting the day again."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp
from tcs_events.counts import adding
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.counts.refresh import Refresher
from tcs_events.event import Event, new_event_id
from tests.benchmarks.large_tables import EVENTS_PER_SESSION, GROUP, payload
from tests.benchmarks.measure import Setup
from tests.benchmarks.report import markdown_table

DAY = datetime(2024, 5, 6, tzinfo=UTC)
HOURS = 20
"""The many events are in these hours of the day, and the new ones after them."""
NEW_EVENTS = 1_000
REPEATS = 6
"""How often events are added. A large day is compared with its events by some refreshes only, so
the mean is shown."""


def run(setup: Setup, databases: Sequence[str], count: int) -> tuple[str, bool]:
    """Fill a day of each database, and refresh after new events. Returns the table."""
    lines = []
    for database in databases:
        with setup.database(database) as (_, url):
            lines.append([database, *_measure(url, count)])
        click.echo(lines[-1])
    added = f"{NEW_EVENTS:,} new events added"
    head = ["", f"{added}, CPU ms", "ms", "day counted again, CPU ms", "ms", "CPU ratio"]
    return (
        f"**A day of {count:,} events**\n\n{markdown_table(head, lines)}\n\n"
        "CPU is that of the process that counts: with SQLite, the database is in it.",
        True,
    )


def _measure(url: str, count: int) -> list[str]:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db = SQLAlchemy(app)
    app.register_blueprint(events_bp)
    now = datetime.now(UTC)
    with app.app_context():
        db.create_all()
        store = app.extensions["tcs_events"].store
        refresher = Refresher(db.engine, ZoneInfo("UTC"), clock=lambda: now)
        events = _events(count)

        for _ in range(0, count, GROUP):
            store.append([event.record() for event in islice(events, GROUP)])
        refresher.refresh(rebuild=True)
        times: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for is_whole in [True, *[False] * REPEATS]:
            for _ in range(3):  # until no events from before are looked at again
                now += 2 * SETTLED_AFTER
                refresher.refresh()
            store.append([event.record() for event in islice(events, NEW_EVENTS)])
            limit = 10 * count if is_whole else adding.MIN_EVENTS
            with mock.patch.object(adding, "MIN_EVENTS", limit):
                times[is_whole].append(_timed(refresher))
        store.close()
        db.engine.dispose()
    added_cpu, added = (statistics.mean(column) for column in zip(*times[False], strict=True))
    [(whole_cpu, whole)] = times[True]
    shown = [f"{seconds * 1000:,.0f}" for seconds in (added_cpu, added, whole_cpu, whole)]
    return [*shown, f"1/{whole_cpu / added_cpu:.0f}"]


def _timed(refresher: Any) -> tuple[float, float]:
    """Return the processor time and the time of a refresh."""
    start, cpu = time.perf_counter(), time.process_time()
    refresher.refresh()
    return time.process_time() - cpu, time.perf_counter() - start


def _events(count: int) -> Iterator[Event]:
    """Give events of visitors over a day, in the order in which they happen."""
    chance = random.Random(1)
    step = timedelta(hours=HOURS) / count
    number = 0
    while True:
        at = DAY + number * step
        session = number // (EVENTS_PER_SESSION * 1_000) * 1_000 + chance.randrange(1_000)
        event_type, fields = payload(chance)
        yield Event(new_event_id(), f"visitor-{session}", event_type, fields, None, at, at)
        number += 1
