"""`rollup` counts now, `worker` for as long as it runs."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from flask import Flask
from sqlalchemy import text

from tcs_events.counts.lease import take
from tests.cli.asking import (
    MARCH,
    NOON,
    ask,
    click,
    database_url_of,
    eventually,
    lines,
    run,
    running,
    save,
)
from tests.conftest import MakeHost
from tests.support import post

STAYS_IN_THE_FIRST_DAY = """
import time
from tcs_events.database import streaming
from tcs_events.counts import counting
streaming.FETCH_ROWS = 1
def slowly(of_day, sessions, *rest):
    next(sessions)
    print("counting", flush=True)
    time.sleep(60)
counting.count_day = slowly
"""
"""A program before that of the command: it reads some of a day, and goes no further."""


def counted(app: Flask) -> int:
    """Return how many events are in the counts, without counting."""
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        events = session.scalar(text("SELECT sum(events) FROM user_event_rollup_days"))
        session.rollback()
        return int(events or 0)


class TestRollup:
    def test_what_has_changed_is_counted_at_once(self, host: Flask) -> None:
        save(host, click())
        assert lines(host, "rollup") == ["Counted 1 day with 1 event."]
        save(host, click(session="visitor-2"))
        assert ask(host, "stats", *MARCH)["total"][0]["events"] == 1  # less than a minute old
        assert run(host, "rollup").exit_code == 0
        assert ask(host, "stats", *MARCH)["total"][0]["events"] == 2

    def test_json_names_the_days(self, host: Flask) -> None:
        save(host, click(), click(created_at=NOON - timedelta(days=1)))
        assert ask(host, "rollup") == {
            "days": ["2026-03-01", "2026-03-02"],
            "events": 2,
            "left": [],
        }

    def test_rebuild_counts_what_no_refresh_would_see(self, host: Flask) -> None:
        save(host, click())
        run(host, "rollup")
        with host.app_context():
            session = host.extensions["sqlalchemy"].session
            session.execute(text("UPDATE user_event_rollup_days SET events = 7"))
            session.commit()
        assert counted(host) == 7
        assert lines(host, "rollup", "--rebuild") == ["Counted 1 day with 1 event."]
        assert counted(host) == 1

    def test_who_is_not_alone_is_told_so(self, host: Flask) -> None:
        run(host, "rollup")
        with host.app_context():
            registration = host.extensions["tcs_events"]
            zone = registration.settings.timezone
            take(registration.database.engine, zone, uuid4(), datetime.now(UTC))
        result = run(host, "rollup")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: Another process is counting; try again when it has finished.\n"
        )


class TestWorker:
    def test_it_counts_what_comes_and_ends_with_0_on_sigterm(self, host: Flask) -> None:
        with running(database_url_of(host), "worker", "--every", "0.2") as worker:
            for number in (1, 2):
                assert post(host, session_id=f"visitor-{number}").status_code == 202
                assert eventually(lambda number=number: counted(host) == number)
            assert worker.end(signal.SIGTERM) == 0

    def test_it_ends_with_0_on_sigint_while_it_sleeps(self, sqlite_host: Flask) -> None:
        save(sqlite_host, click())
        with running(database_url_of(sqlite_host), "worker", "--every", "3600") as worker:
            assert "tcs_events.worker_started" in worker.line()
            assert "tcs_events.counts_refreshed" in worker.line()
            assert worker.end(signal.SIGINT) == 0

    def test_once_counts_and_ends(self, host: Flask) -> None:
        save(host, click())
        assert run(host, "worker", "--once").exit_code == 0
        assert counted(host) == 1

    def test_it_outlives_a_database_that_is_away(self, make_host: MakeHost, tmp_path: Path) -> None:
        folder = tmp_path / "away"
        url = f"sqlite:///{folder}/host.db"
        with running(url, "worker", "--every", "0.2") as worker:
            assert "tcs_events.worker_started" in worker.line()
            assert "tcs_events.store_unavailable" in worker.line()
            folder.mkdir()
            app = make_host(url)
            save(app, click())
            assert eventually(lambda: counted(app) == 1)
            assert worker.end(signal.SIGTERM) == 0

    def test_it_outlives_a_table_that_is_being_migrated(self, host: Flask) -> None:
        def rename_column(old: str, new: str) -> None:
            with host.app_context():
                session = host.extensions["sqlalchemy"].session
                session.execute(text(f"ALTER TABLE user_events RENAME COLUMN {old} TO {new}"))
                session.commit()

        save(host, click())
        rename_column("payload", "body")
        with running(database_url_of(host), "worker", "--every", "0.2") as worker:
            assert "tcs_events.worker_started" in worker.line()
            assert "tcs_events.store_unavailable" in worker.line()
            rename_column("body", "payload")
            assert eventually(lambda: counted(host) == 1)
            assert worker.end(signal.SIGTERM) == 0

    def test_what_it_was_counting_when_it_was_ended_is_counted_by_the_next(
        self, host: Flask
    ) -> None:
        save(host, *(click(created_at=NOON - timedelta(days=number)) for number in range(3)))
        with running(database_url_of(host), "worker", program=STAYS_IN_THE_FIRST_DAY) as worker:
            assert "tcs_events.worker_started" in worker.line()
            assert worker.line() == "counting"
            assert worker.end(signal.SIGTERM) == 0
        assert lines(host, "rollup") == ["Counted 3 days with 3 events."]

    def test_it_ends_in_the_middle_of_a_day_while_others_write(self, host: Flask) -> None:
        """On SQLite what it has begun to read is old by then, and nothing can be written there."""
        for number in range(3):
            post(host, session_id=f"visitor-{number}")
        with running(database_url_of(host), "worker", program=STAYS_IN_THE_FIRST_DAY) as worker:
            assert "tcs_events.worker_started" in worker.line()
            assert worker.line() == "counting"
            post(host, session_id="visitor-3")
            assert worker.end(signal.SIGTERM) == 0
        [said] = lines(host, "rollup")
        assert said.endswith(" with 4 events.")

    def test_a_signal_that_gets_lost_ends_it_all_the_same(self, sqlite_host: Flask) -> None:
        """As an exception does that is raised in a finalizer."""
        save(sqlite_host, click())
        deaf = """
import time
from tcs_events.counts import counting
count_day = counting.count_day
def slowly(*args):
    try:
        print("counting", flush=True)
        time.sleep(60)
    except SystemExit:
        return count_day(*args)
counting.count_day = slowly
"""
        arguments = ("worker", "--every", "3600")
        with running(database_url_of(sqlite_host), *arguments, program=deaf) as worker:
            assert "tcs_events.worker_started" in worker.line()
            assert worker.line() == "counting"
            assert worker.end(signal.SIGTERM) == 0
        assert counted(sqlite_host) == 1

    def test_two_workers_count_everything_once(self, host: Flask) -> None:
        save(host, *(click(session=f"visitor-{number}") for number in range(20)))
        url = database_url_of(host)
        with (
            running(url, "worker", "--every", "0.1") as one,
            running(url, "worker", "--every", "0.1") as two,
        ):
            for worker in (one, two):
                assert "tcs_events.worker_started" in worker.line()
            assert eventually(lambda: counted(host) == 20)
            assert (one.end(signal.SIGTERM), two.end(signal.SIGTERM)) == (0, 0)
        assert ask(host, "stats", *MARCH)["total"][0]["events"] == 20
