"""Explore says the same with files of days as without them, and never reads an old file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import structlog
from flask import Flask

from tcs_events import reports
from tcs_events.counts.conditions import OPERATORS, Condition
from tcs_events.counts.time_limit import OutOfTime
from tcs_events.day_files import duck, parquet
from tcs_events.day_files.duck import NotAnswered
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period
from tcs_events.reports.explore import file_answer, file_events, files
from tcs_events.reports.explore.files import source_of
from tcs_events.reports.explore.question import question_of
from tcs_events.reports.explore.rows import DatabaseRows
from tests.cli.asking import run
from tests.conftest import MakeHost
from tests.day_files.payloads import NAMES, payload, value
from tests.reports import truth
from tests.reports.support import append, fill
from tests.reports.test_explore import (
    MEASURES,
    TYPES,
    VALUES,
    WHERE,
    in_text,
    said,
    with_bookings,
)
from tests.reports.test_explore import (
    ROLES as SHOWN,
)
from tests.reports.truth import World
from tests.reports.worlds import DAYS, FIRST_DAYS, make_world
from tests.support import ROOT, need_module


@pytest.fixture
def make_files_host(make_host: MakeHost, tmp_path: Path) -> Callable[..., Flask]:
    def make(url: str, **settings: Any) -> Flask:
        need_module("duckdb")
        need_module("pyarrow")
        folder = str(tmp_path / "it's")  # what SQL has to quote
        return make_host(url, TCS_EVENTS_EVENT_TYPES=TYPES, TCS_EVENTS_DAY_FILES=folder, **settings)

    return make


def write(app: Flask) -> int:
    """Write all closed days, and return how many have files."""
    keeper = registration_of(app).day_keeper
    assert keeper is not None
    keeper.write()
    return len(keeper.days())


@pytest.fixture
def only_with_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """No question may fall back on the database alone."""

    def refuse(*args: object) -> None:
        raise AssertionError("the files did not answer")

    monkeypatch.setattr(files.DatabaseRows, "tally", refuse)


@pytest.mark.usefixtures("only_with_files")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo"])
def test_it_is_what_the_events_say(
    make_files_host: Callable[..., Flask],
    database_url: str,
    zone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "FILE_EVENTS", 5)
    monkeypatch.setattr(file_answer, "PART_EVENTS", 50)
    app = make_files_host(database_url, TCS_EVENTS_TIMEZONE=ZoneInfo(zone))
    random = Random(f"files {database_url[:6]} {zone}")
    world = with_bookings(make_world(random.randrange(1000), ZoneInfo(zone), 150), random)
    a_day = world.date(world.events[0])
    late = [event for event in world.events if world.date(event) == a_day][::2]
    early = [event for event in world.events if event not in late]
    with app.app_context():
        fill(app, early, world.identities)
        of_files = write(app)
        append(app, late)
        registration_of(app).refresher.refresh()
        for _ in range(25):
            first = FIRST_DAYS[zone] + timedelta(days=random.randrange(-1, DAYS - 3))
            asked: dict[str, Any] = {
                "by": random.choice([*VALUES, None]),
                "who": random.choice([None, None, "new", "returning", "known"]),
                "interval": random.choice([None, "day", "week"]),
                "limit": random.choice([1, 2, 20]),
            }
            period = Period(first, first + timedelta(days=random.randrange(2, 12)))
            [where, matches], measure = random.choice(WHERE), random.choice(MEASURES)
            answer = reports.explore(
                period, "booking", where=where, measure=in_text(measure), **asked
            )
            is_theirs = truth.of_visitors(world, period, asked["who"])
            expected = truth.explore(
                world, period, "booking", asked["by"] or "none", measure, asked["interval"],
                asked["limit"],
                lambda event, one=matches, other=is_theirs: one(event) and other(event),
            )  # fmt: skip
            if asked["by"] is None:  # every event has the same value of a property that is missing
                expected = truth.ExploredTruth([], None, expected.total)
            assert said(answer) == expected, (asked, where, measure, period)
        keeper = registration_of(app).day_keeper
        assert keeper is not None
        assert 2 < len(keeper.days()) < of_files  # some days were read from files, some were not


MARCH = date(2024, 3, 1)


def booked(*visitors: str) -> list[Event]:
    """Return a booking of each visitor, whose plan is the visitor's name."""
    at = datetime(2024, 3, 1, 12, tzinfo=UTC)
    return [
        Event(UUID(int=place, version=4), visitor, "booking", {"plan": visitor}, None, at, at)
        for place, visitor in enumerate(visitors, 1)
    ]


def hostile_world(random: Random, events: int) -> World:
    """Return events with payloads of anything, of a few visitors on a few days."""
    at = datetime(2024, 3, 1, tzinfo=UTC)
    return World(
        ZoneInfo("UTC"),
        [
            Event(
                UUID(int=random.getrandbits(128), version=4),
                f"visitor-{random.randrange(12)}",
                random.choice(["booking", "sage_query"]),
                payload(random.randrange(100_000)),
                None,
                at + timedelta(minutes=random.randrange(5 * 24 * 60)),
                at,
            )
            for _ in range(events)
        ],
    )


def condition(random: Random) -> Condition:
    name = random.choice([name for name in NAMES if name])
    operator = random.choice(OPERATORS)
    given: Any = value(random)
    if operator == "in":
        given = [value(random) for _ in range(3)]
    return Condition(name, operator, given)


@pytest.mark.parametrize("seed", range(3))
def test_any_question_about_any_payload_is_answered_as_by_the_database(
    make_files_host: Callable[..., Flask], sqlite_url: str, seed: int
) -> None:
    app, random = make_files_host(sqlite_url), Random(seed)
    world = hostile_world(random, 250)
    period = Period(date(2024, 3, 1), date(2024, 3, 5))
    with app.app_context():
        fill(app, world.events)
        assert write(app) == 5
        reading = current_reports()
        for _ in range(25):
            question = question_of(
                "booking",
                random.choice([*(name for name in NAMES if name), None]),
                [condition(random) for _ in range(random.choice([0, 0, 1, 1, 2]))],
                None,
                in_text(random.choice([*MEASURES, "sum room.city"])),
                random.choice(["day", None]),
                random.choice([1, 3, 100]),
                None,
            )
            with_files = source_of(reading).tally(question, period)
            assert repr(with_files) == repr(DatabaseRows(reading).tally(question, period)), question


@pytest.mark.usefixtures("only_with_files")
@pytest.mark.parametrize(("event_type", "by", "show"), SHOWN)
def test_items_queries_and_filters_are_one_value_as_in_other_reports(
    make_files_host: Callable[..., Flask],
    sqlite_url: str,
    event_type: str,
    by: str,
    show: Callable[[Any], Any],
) -> None:
    app, world = make_files_host(sqlite_url), make_world(3, ZoneInfo("UTC"), 200)
    days = [world.date(event) for event in world.events]
    period = Period(min(days), max(days))
    with app.app_context():
        fill(app, world.events)
        assert write(app) > 3
        answer = reports.explore(period, event_type, by, limit=100)
        expected = truth.explore(
            world, period, event_type, by, "visitors", None, 100, lambda event: True, show
        )
        assert said(answer) == expected
        for row in answer.rows:
            narrowed = reports.explore(period, event_type, by, [Condition(by, "=", row.value)])
            assert [(one.value, one.number) for one in narrowed.rows] == [(row.value, row.number)]


class TestFilesThatCannotBeUsed:
    """The database answers then, and the answer is the same."""

    @pytest.fixture
    def app(self, make_files_host: Callable[..., Flask], sqlite_url: str) -> Flask:
        app = make_files_host(sqlite_url)
        with app.app_context():
            fill(app, booked("ada", "bo"))
            assert write(app) == 1
        return app

    def visitors(self, app: Flask) -> dict[Any, float | None]:
        with app.app_context():
            rows = reports.explore(Period(MARCH, MARCH), "booking", "plan").rows
        return {row.value: row.number for row in rows}

    def folder(self, app: Flask) -> Path:
        return Path(app.config["TCS_EVENTS_DAY_FILES"])

    def test_files_are_read(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file_events, "matched", lambda *args, **values: iter([]))
        assert self.visitors(app) == {"ada": 1, "bo": 1}  # though the database says nothing

    def test_a_missing_folder(self, app: Flask) -> None:
        shutil.rmtree(self.folder(app))
        assert self.visitors(app) == {"ada": 1, "bo": 1}

    def test_files_that_are_gone_or_damaged(self, app: Flask) -> None:
        self.visitors(app)  # the process remembers which files there are
        [path] = self.folder(app).rglob("*.parquet")
        path.write_bytes(path.read_bytes()[:-20])
        with structlog.testing.capture_logs() as logs:
            assert self.visitors(app) == {"ada": 1, "bo": 1}
        assert [line["event"] for line in logs] == ["tcs_events.day_files_not_read"]
        path.unlink()
        assert self.visitors(app) == {"ada": 1, "bo": 1}

    def test_too_little_memory(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(duck, "MEMORY", "1MB")
        monkeypatch.setattr(duck, "_instances", duck._Instances())
        assert self.visitors(app) == {"ada": 1, "bo": 1}

    def test_no_time(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "EXACT_SHARE", -1)
        assert self.visitors(app) == {"ada": 1, "bo": 1}

    def test_an_old_file_that_is_still_there(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = self.folder(app).parent / "kept"
        shutil.copytree(self.folder(app), kept)
        assert run(app, "forget", "--session", "ada", "--yes").exit_code == 0
        shutil.rmtree(self.folder(app))
        shutil.copytree(kept, self.folder(app))
        assert self.visitors(app) == {"bo": 1}


@pytest.mark.real_limits
def test_a_question_about_files_ends_in_time() -> None:
    need_module("duckdb")
    started = time.monotonic()
    with pytest.raises(OutOfTime), duck.asking(Path("/"), started + 0.3) as connection:
        connection.rows("SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3")
    assert time.monotonic() - started < 30


IN_GEVENT = """
{patch}
import sys
from pathlib import Path
from time import monotonic
import gevent
from tcs_events.counts.time_limit import OutOfTime
from tcs_events.day_files import duck
{late_patch}

LONG = "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3"

def ask(seconds):
    with duck.asking(Path(sys.argv[1]), monotonic() + seconds) as connection:
        connection.rows(LONG)

def others():
    turns = 0
    while not asked.ready():
        turns += 1
        gevent.sleep(0.01)
    return turns

for seconds in (1, 10, 100):  # on a busy machine, a second may be over before DuckDB has started
    asked = gevent.spawn(ask, seconds)
    other = gevent.spawn(others)
    gevent.joinall([asked, other])
    assert isinstance(asked.exception, OutOfTime), asked.exception
    if other.value > 1:
        break
assert other.value > 1, other.value

# The host may end a request meanwhile, and the next question is answered.
with gevent.Timeout(0.5, False):
    ask(600)
with duck.asking(Path(sys.argv[1]), None) as connection:
    assert connection.rows("SELECT 42") == [(42,)]
print("answered")
"""


@pytest.mark.real_limits
@pytest.mark.parametrize("is_patched_late", [False, True])
def test_gevent_runs_others_while_files_are_read_and_the_question_ends_in_time(
    tmp_path: Path, is_patched_late: bool
) -> None:
    need_module("duckdb")
    need_module("gevent")
    patch = "from gevent import monkey; monkey.patch_all()"
    first, late = ("", patch) if is_patched_late else (patch, "")
    result = subprocess.run(
        [sys.executable, "-c", IN_GEVENT.format(patch=first, late_patch=late), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.stdout == "answered\n", result.stderr


def test_a_forked_process_asks_for_itself(tmp_path: Path) -> None:
    need_module("duckdb")

    def ask() -> int:
        with duck.asking(tmp_path, None) as connection:
            [(answer,)] = connection.rows("SELECT sum(range) FROM range(1000000)")
        return int(answer)

    assert ask() == 499999500000
    child = os.fork()
    if child == 0:
        os._exit(0 if ask() == 499999500000 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_duckdb_reads_and_writes_nothing_else(tmp_path: Path) -> None:
    need_module("duckdb")
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.csv").write_text("a\n1\n")
    for statement in (
        f"SELECT * FROM read_csv('{tmp_path}/outside.csv')",
        f"COPY (SELECT 1) TO '{tmp_path}/new.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ):
        with pytest.raises(NotAnswered), duck.asking(tmp_path / "inside", None) as connection:
            connection.rows(statement)
