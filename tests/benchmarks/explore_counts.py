"""How long `explore` takes: from counts, with files of days, and from the database alone."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import insert

from tcs_events import EventType, UserEvent, events_bp
from tcs_events.event import new_event_id
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period
from tcs_events.reports.explore.counts import Counts, answers
from tcs_events.reports.explore.files import source_of
from tcs_events.reports.explore.question import question_of
from tcs_events.reports.explore.rows import DatabaseRows

DAYS = 30
BATCH = 5_000
EVENTS_PER_SESSION = 6
REPEATS = 5
TIMEOUT_MS = 600_000
"""Long, so that the database answers exactly."""

BOOKING = EventType("booking", break_down=("plan", "room.city"), add_up=("price",))
QUESTIONS: dict[str, dict[str, Any]] = {
    "visitors by plan": {"by": "plan"},
    "visitors by plan, two filters, per day": {
        "by": "plan",
        "where": ['city in ["City 1", "City 2", "City 3"]', "price>=100"],
        "interval": "day",
    },
    "events by city, per day": {"by": "room.city", "measure": "events", "interval": "day"},
    "revenue by city, one filter": {
        "by": "room.city",
        "where": "plan=pro",
        "measure": "sum(price)",
    },
    "events by plan": {"by": "plan", "measure": "events"},
    "revenue by plan, per day": {"by": "plan", "measure": "sum(price)", "interval": "day"},
    "revenue by city, per day": {"by": "room.city", "measure": "sum(price)", "interval": "day"},
    "median price by plan": {"by": "plan", "measure": "median(price)"},
    "visitors by search text": {"by": "text"},
}


def events(rows: int, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield bookings, spread over the days before a time."""
    chance = random.Random(1)
    for _ in range(rows):
        at = until - timedelta(seconds=chance.randrange(1, DAYS * 86_400))
        payload = {
            "plan": chance.choice(["free", "free", "pro", "team"]),
            "price": chance.randrange(1_000, 50_000) / 100,
            "city": f"City {chance.randrange(40)}",
            "room": {"city": f"City {chance.randrange(200)}", "beds": chance.randrange(1, 5)},
            "text": f"room near {chance.randrange(20_000)}",
            "is_first": chance.random() < 0.1,
        }
        yield {
            "event_id": new_event_id(),
            "session_id": f"visitor-{chance.randrange(max(1, rows // EVENTS_PER_SESSION))}",
            "event_type": "booking",
            "payload": payload,
            "created_at": at,
            "received_at": at,
        }


def timed(act: Callable[..., object], *args: object) -> float:
    started = time.perf_counter()
    act(*args)
    return time.perf_counter() - started


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="The number of events.")
@click.option("--url", help="An empty database. [default: an SQLite file]")
def main(rows: int, url: str | None) -> None:
    """Measure explore over many bookings of a month: from counts, files, and the database."""
    with tempfile.TemporaryDirectory(prefix="tcs_events_", dir="/var/tmp") as folder:
        app = Flask("explored")
        app.config.update(
            SQLALCHEMY_DATABASE_URI=url or f"sqlite:///{folder}/events.db",
            TCS_EVENTS_EVENT_TYPES=[BOOKING],
            TCS_EVENTS_DAY_FILES=f"{folder}/days",
            TCS_EVENTS_REPORT_TIMEOUT_MS=TIMEOUT_MS,
        )
        database = SQLAlchemy(app)
        app.register_blueprint(events_bp)
        with app.app_context():
            database.create_all()
            measure(app, rows)


def measure(app: Flask, rows: int) -> None:
    registration = registration_of(app)
    engine, today = registration.database.engine, datetime.now(UTC).date()
    midnight = datetime.combine(today, datetime.min.time(), UTC)
    with engine.begin() as connection:
        waiting: list[dict[str, Any]] = []
        for one in events(rows, midnight):
            waiting.append(one)
            if len(waiting) == BATCH:
                connection.execute(insert(UserEvent), waiting)
                waiting = []
        if waiting:
            connection.execute(insert(UserEvent), waiting)
    click.echo(f"{rows:,} events of {DAYS} days on {engine.dialect.name}")
    counting = timed(registration.refresher.refresh)
    keeper = registration.day_keeper
    assert keeper is not None
    writing = timed(keeper.write)
    size = keeper.folder.size()
    click.echo(f"counted in {counting:.1f} s; {len(keeper.days())} days written in {writing:.1f} s")
    click.echo(f"files: {size / 1e6:,.1f} MB, {size / rows:.0f} bytes an event")
    period = Period(today - timedelta(days=DAYS), today)
    for name, asked in QUESTIONS.items():
        given = {"by": None, "where": None, "who": None, "measure": "visitors", "interval": None}
        question = question_of("booking", **{**given, "limit": 20, "role": None, **asked})
        reading = current_reports().for_one_answer()
        reading.refresh_if_old()  # so that no question waits for it
        with_files, without = source_of(reading).tally, DatabaseRows(reading).tally
        first, *times = [timed(with_files, question, period) for _ in range(REPEATS + 1)]
        slow = timed(without, question, period)
        from_counts = ""
        if answers(question, reading.refresher.meaning.declared["booking"]):
            counted = Counts(reading, DatabaseRows(reading)).counted
            fast = [timed(counted, question, period) for _ in range(REPEATS)]
            from_counts = f"{statistics.median(fast) * 1000:,.0f} ms from counts, "
        click.echo(
            f"{name}: {from_counts}{statistics.median(times) * 1000:,.0f} ms from files"
            f" (first {first * 1000:,.0f}), {slow * 1000:,.0f} ms from the database"
        )


if __name__ == "__main__":
    main()
