"""How long `explore` takes: from files of days, by SQL on the raw rows, and from the database."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import click
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp
from tcs_events.counts.refresh import Refresher
from tcs_events.day_files.duck import THREADS
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period
from tcs_events.reports.explore.files import source_of
from tcs_events.reports.explore.question import Question, question_of
from tcs_events.reports.explore.rows import DatabaseRows
from tests.benchmarks.explore_raw import RawRows, are_equal, numbers_of
from tests.benchmarks.explore_rows import (
    EVENT_TYPE,
    days_before,
    store,
    write_raw,
    write_without_database,
)
from tests.benchmarks.report import markdown_table

TIMEOUT_MS = 600_000
"""Long, so that the database answers exactly."""
MONTH = 30
MEASURES = ["events", "visitors", "visits", "sum(price)", "average(price)", "median(price)"]
FILTERS = ['city in ["City 1", "City 2", "City 3"]', "price>=100"]
QUESTIONS: dict[str, dict[str, Any]] = {
    **{
        f"{measure}, two filters, a series": {
            "by": "plan",
            "measure": measure,
            "where": FILTERS,
            "interval": "day",
        }
        for measure in MEASURES
    },
    **{measure: {"by": "plan", "measure": measure} for measure in MEASURES},
    "visitors, a series": {"by": "plan", "interval": "day"},
    "events by 200 values, a series": {
        "by": "room.city",
        "measure": "events",
        "interval": "day",
    },
    "visitors by 20,000 values": {"by": "text"},
}
NOT_ASKED = {"by": None, "where": None, "who": None, "measure": "visitors", "interval": None}


def timed(act: Callable[..., Any], *args: Any) -> tuple[float, float, Any]:
    """Return the milliseconds, those of the processor, and what a function returns."""
    start, cpu = time.perf_counter(), time.process_time()
    answer = act(*args)
    return (time.perf_counter() - start) * 1000, (time.process_time() - cpu) * 1000, answer


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="The number of events.")
@click.option("--days", default=365, show_default=True, help="Over how many days they are spread.")
@click.option("--url", help="An empty database. [default: an SQLite file]")
@click.option("--database/--no-database", help="Store them in the database, too, and ask it.")
@click.option("--keep", type=Path, help="A folder to keep all of it in, for the next time.")
@click.option("--repeats", default=5, show_default=True, help="Of each question.")
@click.option("--only", default="", help="Only questions with this in their name.")
def main(
    rows: int,
    days: int,
    url: str | None,
    database: bool,
    keep: Path | None,
    repeats: int,
    only: str,
) -> None:
    """Measure explore over many bookings: from files of days, and by SQL on the raw rows.

    Without --database, the files are written directly, because storing and counting tens of
    millions of events takes an hour.
    """
    temporary = tempfile.TemporaryDirectory(prefix="tcs_events_", dir="/var/tmp")
    with temporary if keep is None else nullcontext(keep) as path:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        app = Flask("explored")
        app.config.update(
            SQLALCHEMY_DATABASE_URI=url or f"sqlite:///{folder}/events.db",
            TCS_EVENTS_EVENT_TYPES=[EVENT_TYPE],
            TCS_EVENTS_DAY_FILES=f"{folder}/days",
            TCS_EVENTS_REPORT_TIMEOUT_MS=TIMEOUT_MS,
        )
        db = SQLAlchemy(app)
        app.register_blueprint(events_bp)
        with app.app_context():
            if not (folder / "raw").exists():
                db.create_all()
                _load(app, rows, days_before(datetime.now(UTC).date(), days), database, folder)
            # A refresh would find that the days without a row in the database have no events.
            with mock.patch.object(Refresher, "is_fresh", return_value=True):
                _measure(app, folder, database, repeats, only)


def _load(app: Flask, rows: int, days: list[date], database: bool, folder: Path) -> None:
    registration = registration_of(app)
    engine, keeper = registration.database.engine, registration.day_keeper
    assert keeper is not None
    if database:
        store(engine, rows, days)
    counting, _, _ = timed(registration.refresher.refresh)
    if database:
        writing, _, _ = timed(keeper.write)
    else:
        writing, _, _ = timed(write_without_database, keeper, engine, rows, days)
    size = keeper.folder.size()
    write_raw(folder / "raw", rows, days)
    click.echo(
        f"{rows:,} events of {len(days)} days; counted in {counting / 1000:.1f} s, files written in"
        f" {writing / 1000:.1f} s: {size / 1e6:,.1f} MB, {size / rows:.0f} bytes an event"
    )


def _measure(app: Flask, folder: Path, database: bool, repeats: int, only: str) -> None:
    keeper = registration_of(app).day_keeper
    assert keeper is not None
    days = sorted(day for day, _ in keeper.days())
    whole = Period(days[0], days[-1])
    month = Period(max(days[0], days[-1] - timedelta(days=MONTH - 1)), days[-1])
    raw = RawRows(folder / "raw", THREADS)
    lines = []
    for period in [whole, month] if month != whole else [whole]:
        for name, asked in QUESTIONS.items():
            if only not in name:
                continue
            question = question_of(EVENT_TYPE, **{**NOT_ASKED, "limit": 20, "role": None, **asked})
            name = f"{name}, {len(list(period.dates()))} days"
            lines.append([name, *_compared(question, period, raw, database, repeats)])
            click.echo(" ".join(lines[-1]))
    head = ["", "files, ms", "CPU ms", "JSON, CPU ms", "CPU ratio", "equal", "database, CPU ms"]
    click.echo(markdown_table(head, lines))


def _compared(
    question: Question, period: Period, raw: RawRows, database: bool, repeats: int
) -> list[str]:
    reading = current_reports().for_one_answer()
    reading.refresh_if_old()  # so that no question waits for it
    from_files = partial(timed, source_of(reading).tally, question, period)
    runs = [from_files() for _ in range(repeats + 1)][1:]
    elapsed = statistics.median(elapsed for elapsed, _, _ in runs)
    cpu = statistics.median(cpu for _, cpu, _ in runs)
    _, raw_cpu, theirs = timed(raw.numbers, question, period)
    ours = numbers_of(runs[0][2], question, period)
    is_equal = are_equal(ours, theirs, question.measure)
    slow = f"{timed(DatabaseRows(reading).tally, question, period)[1]:,.0f}" if database else ""
    return [
        f"{elapsed:,.0f}",
        f"{cpu:,.0f}",
        f"{raw_cpu:,.0f}",
        f"1/{raw_cpu / cpu:.1f}",
        "yes" if is_equal else "NO",
        slow,
    ]


if __name__ == "__main__":
    main()
