"""What the store reaches by itself: no HTTP, no parsing, one thread; the ceiling of every row."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp
from tcs_events.event import Event, Record, new_event_id
from tests.benchmarks.load import bodies
from tests.benchmarks.measure import Setup
from tests.benchmarks.report import Progress, markdown_table

GROUPS = (1, 16, 64, 1000)


def run(setup: Setup, databases: Sequence[str], seconds: int) -> tuple[str, bool]:
    """Write groups of events of several sizes with one committer of the store.

    Returns the table; nothing can go wrong but loudly.
    """
    progress = Progress(len(databases) * len(GROUPS))
    lines = []
    for database in databases:
        for size in GROUPS:
            with setup.database(database) as (_, url):
                rate, cpu_us = _measure(setup, url, size, seconds)
            result = f"{rate:,.0f} events/s, {cpu_us:.0f} µs"
            progress.step(f"{database}, {size} a transaction", result)
            lines.append([database, f"{size:,}", f"{rate:,.0f}", f"{cpu_us:,.0f}"])
    head = ["", "events a transaction", "events/s", "CPU µs/event"]
    return markdown_table(head, lines), True


def _measure(setup: Setup, url: str, size: int, seconds: int) -> tuple[float, float]:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db = SQLAlchemy(app)
    app.register_blueprint(events_bp)
    texts = [json.loads(text.replace("@", "")) for text in bodies(0)]
    written = 0
    with app.app_context():
        db.create_all()
        store = app.extensions["tcs_events"].store
        committer = store.committers[0]
        with _on_core(setup.server_core):
            committer.write([_event(texts[0])], time.monotonic() + 1)  # connects
            start, cpu = time.monotonic(), time.process_time()
            while time.monotonic() - start < seconds:
                group = [_event(texts[(written + i) % len(texts)]) for i in range(size)]
                committer.write(group, time.monotonic() + 10)
                written += size
            cpu, took = time.process_time() - cpu, time.monotonic() - start
        store.close()
        db.engine.dispose()
    return written / took, cpu / written * 1e6


def _event(body: dict[str, Any]) -> Record:
    now = datetime.now(UTC)
    names = ("session_id", "event_type", "payload")
    session_id, event_type, payload = (body[name] for name in names)
    return Event(new_event_id(), session_id, event_type, payload, None, now, now).record()


@contextmanager
def _on_core(core: int | None) -> Any:
    """Stand where the server stands in the other measurements."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    yield
    os.sched_setaffinity(0, before)
