"""The bookings that `explore` is measured with, the same for the same day and number of days."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine, insert

from tcs_events import UserEvent
from tcs_events.counts import tables
from tcs_events.counts.events import StoredEvent
from tcs_events.counts.versions import give_version
from tcs_events.day_files.folder import DayFolder, DayVersion
from tcs_events.day_files.keeping import DayKeeper
from tcs_events.day_files.parquet import write_files
from tcs_events.event import new_event_id

EVENT_TYPE = "booking"
EVENTS_PER_SESSION = 6
BATCH = 5_000
WRITERS = 2


def days_before(today: date, days: int) -> list[date]:
    return [today - timedelta(days=number) for number in range(days, 0, -1)]


def bookings(rows: int, days: int, day: date) -> Iterator[StoredEvent]:
    """Yield the bookings of one of the days, session by session."""
    chance = random.Random(f"{rows} {days} {day}")
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    sessions = max(1, rows // EVENTS_PER_SESSION)
    for session in sorted(f"visitor-{chance.randrange(sessions)}" for _ in range(rows // days)):
        payload = {
            "plan": chance.choice(["free", "free", "pro", "team"]),
            "price": chance.randrange(1_000, 50_000) / 100,
            "city": f"City {chance.randrange(40)}",
            "room": {"city": f"City {chance.randrange(200)}", "beds": chance.randrange(1, 5)},
            "text": f"room near {chance.randrange(20_000)}",
            "is_first": chance.random() < 0.1,
        }
        yield session, EVENT_TYPE, payload, midnight + timedelta(seconds=chance.randrange(86_400))


def store(engine: Engine, rows: int, days: list[date]) -> None:
    """Store all bookings in the database."""
    with click.progressbar(days, label="Storing days") as bar:
        for day in bar:
            with engine.begin() as connection:
                waiting: list[dict[str, Any]] = []
                for session, event_type, payload, at in bookings(rows, len(days), day):
                    waiting.append(
                        {
                            "event_id": new_event_id(),
                            "session_id": session,
                            "event_type": event_type,
                            "payload": payload,
                            "created_at": at,
                            "received_at": at,
                        }
                    )
                    if len(waiting) == BATCH:
                        connection.execute(insert(UserEvent), waiting)
                        waiting = []
                if waiting:
                    connection.execute(insert(UserEvent), waiting)


def write_without_database(keeper: DayKeeper, engine: Engine, rows: int, days: list[date]) -> None:
    """Write the files of all bookings, which are in no table, as if they were counted."""
    day_versions = []
    for day in days:
        with engine.begin() as connection:
            connection.execute(
                insert(tables.days).values(
                    day=day, events=rows // len(days), is_stale=False, is_retention_stale=False
                )
            )
            connection.execute(
                insert(tables.checks).values(
                    day=day, events=rows // len(days), checksum=0, is_crossing_stale=False
                )
            )
            version = give_version(connection, keeper._zone, day)
        assert version is not None
        day_versions.append(DayVersion(day, version))
    write = partial(_write_day, keeper.folder.path, rows, len(days))
    keeper.folder.path.mkdir(parents=True, exist_ok=True)
    _for_each(write, day_versions, "Writing days")


def _write_day(path: Path, rows: int, days: int, day: DayVersion) -> None:
    folder = DayFolder(path)
    with folder.new_day(day) as part:
        events = bookings(rows, days, day.day)
        folder.publish(part, day, {EVENT_TYPE: list(write_files(str(part / "0"), day.day, events))})


def write_raw(folder: Path, rows: int, days: list[date]) -> None:
    """Write the bookings as rows with JSON text, as a table has them, for SQL."""
    folder.mkdir(parents=True, exist_ok=True)
    _for_each(partial(_write_raw_day, folder, rows, len(days)), days, "Writing raw rows")


def _write_raw_day(folder: Path, rows: int, days: int, day: date) -> None:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    sessions, payloads = [], []
    for session, _, payload, _ in bookings(rows, days, day):
        sessions.append(session)
        payloads.append(json.dumps(payload))
    table = arrow.table(
        {
            "session_id": sessions,
            "day": arrow.array([day] * len(sessions), arrow.date32()),
            "payload": payloads,
        }
    )
    parquet.write_table(table, folder / f"{day}.parquet", compression="zstd")


def _for_each(act: Any, items: list[Any], label: str) -> None:
    """Call a function with each item, in several processes."""
    with (
        ProcessPoolExecutor(WRITERS) as pool,
        click.progressbar(pool.map(act, items), label=label, length=len(items)) as bar,
    ):
        for _ in bar:
            pass
