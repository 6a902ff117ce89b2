"""What is old is deleted, a little at a time; what is not stays."""

from __future__ import annotations

import signal
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask

from tcs_events import UserEvent, create_blueprint, reports
from tcs_events.host import registration_of
from tcs_events.models import UserEventBotSession
from tcs_events.reports import Period
from tcs_events.rights import deleting
from tcs_events.rights.deleting import MAX_ROWS, MIN_ROWS, TARGET_SECONDS, Pace
from tcs_events.rights.prune import prune
from tests.cli.asking import (
    NOON,
    WAIT_SECONDS,
    ask,
    click,
    database_url_of,
    eventually,
    lines,
    query,
    run,
    running,
    save,
)
from tests.conftest import MakeHost
from tests.rights.tables import (
    all_tables,
    identities,
    identity,
    rejection,
    sessions_with_events,
)
from tests.support import post, stored

NOW = datetime.now(UTC)
TYPES = ("card_click", "sage_query", "filter_change", "no_longer_accepted")


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def at(days: float, session: str = "visitor-1", **fields: Any) -> UserEvent:
    """Return an event of so many days ago."""
    when = days_ago(days)
    return click(session=session, **({"created_at": when, "received_at": when} | fields))


class TestWhichEvents:
    @pytest.mark.parametrize(
        ("age", "left"),
        [
            ("90d", {"1 h", "2 d", "89 d"}),
            ("89d", {"1 h", "2 d"}),
            ("13w", {"1 h", "2 d", "89 d", "90 d"}),
            ("47h", {"1 h"}),
            ("49h", {"1 h", "2 d"}),
            ("99999d", {"1 h", "2 d", "89 d", "90 d", "400 d"}),
        ],
    )
    def test_those_that_happened_longer_ago(self, host: Flask, age: str, left: set[str]) -> None:
        ages = {"1 h": 1 / 24, "2 d": 2, "89 d": 89.01, "90 d": 90.01, "400 d": 400}
        save(host, *(at(days, session=name) for name, days in ages.items()))
        assert run(host, "prune", "--older-than", age).exit_code == 0
        assert sessions_with_events(host) == left

    def test_of_every_type_also_those_that_are_not_accepted_any_more(self, host: Flask) -> None:
        for name in TYPES:
            save(host, at(100, event_type=name), at(80, event_type=name))
        run(host, "prune", "--older-than", "90d")
        assert sorted(row["event_type"] for row in stored(host)) == sorted(TYPES)

    def test_many_that_happened_at_once(self, host: Flask) -> None:
        save(host, *(at(100) for _ in range(400)), *(at(80) for _ in range(7)))
        assert ask(host, "prune", "--older-than", "90d")["events"] == 400
        assert len(stored(host)) == 7

    def test_by_when_it_happened_so_that_no_client_makes_it_stay(self, host: Flask) -> None:
        save(
            host,
            at(91, session="late", received_at=days_ago(85)),
            at(89, session="young", received_at=days_ago(85)),
        )
        run(host, "prune", "--older-than", "90d")
        assert sessions_with_events(host) == {"young"}

    def test_a_day_begins_where_reports_have_it_begin_and_stays(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url, create_blueprint(timezone="Europe/Berlin"))
        midnight = datetime(2026, 3, 1, 23, tzinfo=UTC)
        before = midnight - timedelta(microseconds=1)
        save(app, click(session="2nd", created_at=midnight))
        save(app, click(session="1st", created_at=before))
        said = ask(app, "prune", "--older-than", "2026-03-02")
        assert sessions_with_events(app) == {"2nd"}
        assert said["before"] == "2026-03-02T00:00:00+01:00"

    @pytest.mark.parametrize(
        "age", ["", "90", "0d", "-1d", "d", "1.5d", "90 d", "\uff11d", "2026-02-30"]
    )
    def test_an_age_that_is_none_is_refused(self, sqlite_host: Flask, age: str) -> None:
        result = run(sqlite_host, "prune", f"--older-than={age}")
        assert result.exit_code == 2
        assert "is not an age; write it as 90d" in result.stderr

    def test_a_day_to_come_is_refused(self, sqlite_host: Flask) -> None:
        save(sqlite_host, at(0))
        result = run(sqlite_host, "prune", "--older-than", "2999-01-01")
        assert (result.exit_code, len(stored(sqlite_host))) == (2, 1)
        assert "2999-01-01 is in the future." in result.stderr

    def test_an_age_has_to_be_given(self, sqlite_host: Flask) -> None:
        assert run(sqlite_host, "prune").exit_code == 2


class TestIdentities:
    def test_those_as_old_without_an_event_go(self, host: Flask) -> None:
        save(host, at(100, session="gone"), at(100, session="back"), at(2, session="back"))
        for session, days in {"gone": 100, "back": 100, "never": 100, "new": 2}.items():
            save(host, identity(f"{session}@example.com", session, days_ago(days)))
        before = ask(host, "prune", "--older-than", "90d", "--dry-run")
        said = ask(host, "prune", "--older-than", "90d")
        assert identities(host) == {("back", "back@example.com"), ("new", "new@example.com")}
        assert (said["identities"], before["identities"]) == (2, 2)

    def test_more_of_them_than_are_looked_at_at_once(self, host: Flask) -> None:
        save(
            host, *(identity(f"{n}@example.com", f"visitor-{n}", days_ago(99)) for n in range(180))
        )
        save(host, at(1, session="visitor-170"))
        run(host, "prune", "--older-than", "90d")
        assert identities(host) == {("visitor-170", "170@example.com")}


class TestWhatElseIsKept:
    @pytest.fixture
    def host(self, host_of_features_turned_off: Flask) -> Flask:
        return host_of_features_turned_off

    def test_refused_events_go_by_the_time_at_which_they_came(self, host: Flask) -> None:
        save(host, *(rejection(f"{days} d", at=days_ago(days)) for days in (100, 91, 89)))
        before = ask(host, "prune", "--older-than", "90d", "--dry-run")
        said = ask(host, "prune", "--older-than", "90d")
        assert (said["rejections"], before["rejections"]) == (2, 2)
        assert [row["session_id"] for row in all_tables(host)["user_event_rejections"]] == ["89 d"]

    def test_marks_of_crawlers_go_as_identities_do(self, host: Flask) -> None:
        save(host, at(100, session="gone"), at(100, session="back"), at(2, session="back"))
        for session, days in {"gone": 100, "back": 100, "new": 2}.items():
            save(host, UserEventBotSession(session_id=session, marked_at=days_ago(days)))
        before = ask(host, "prune", "--older-than", "90d", "--dry-run")
        said = ask(host, "prune", "--older-than", "90d")
        left = {row["session_id"] for row in all_tables(host)["user_event_bot_sessions"]}
        assert left == {"back", "new"}
        assert (said["bot_sessions"], before["bot_sessions"]) == (1, 1)

    def test_is_said_in_words_where_there_is_any(self, host: Flask) -> None:
        save(host, rejection("s1"), rejection("s2"), identity("ada@example.com"))
        [line] = lines(host, "prune", "--older-than", "2026-03-03")
        assert line.startswith("Deleted 0 events from before 2026-03-03 00:00 (UTC)")
        assert line.endswith(", 2 rejections, and 1 identity.")


class TestWhatIsSaid:
    def test_to_people(self, host: Flask) -> None:
        save(host, click(), click(), identity("ada@example.com", "somebody else"))
        assert lines(host, "prune", "--older-than", "2026-03-03") == [
            "Deleted 2 events from before 2026-03-03 00:00 (UTC), and 1 identity."
        ]

    def test_to_programs(self, host: Flask) -> None:
        save(host, click())
        assert ask(host, "prune", "--older-than", "2026-03-03") == {
            "events": 1,
            "rejections": 0,
            "bot_sessions": 0,
            "identities": 0,
            "user_links": 0,
            "before": "2026-03-03T00:00:00+00:00",
            "is_done": True,
        }

    def test_a_dry_run_deletes_nothing(self, host: Flask) -> None:
        save(host, click(), click(event_type="sage_query"), at(1))
        before = all_tables(host)
        assert lines(host, "prune", "--older-than", "2026-03-03", "--dry-run") == [
            "Would delete 2 events from before 2026-03-03 00:00 (UTC), and 0 identities."
        ]
        assert all_tables(host) == before


class TestReports:
    def test_have_forgotten_it_at_the_next_refresh(self, host: Flask) -> None:
        yesterday = NOON - timedelta(days=1)
        save(host, query("old words", created_at=yesterday), query("new words"))
        period = Period(yesterday.date(), NOON.date())
        with host.app_context():
            assert {row.query for row in reports.top_queries(period)} == {"old words", "new words"}
        run(host, "prune", "--older-than", "2026-03-02")
        with host.app_context():
            registration_of(host).refresher.refresh()
            assert {row.query for row in reports.top_queries(period)} == {"new words"}
            assert reports.total_activity(period)["sage_query"].events == 1
        assert "old words" not in str(all_tables(host))

    def test_have_forgotten_every_day_of_many(self, host: Flask) -> None:
        days = [NOON - timedelta(days=number) for number in range(6)]
        save(host, *(query(f"word {number}", created_at=at) for number, at in enumerate(days)))
        with host.app_context():
            registration_of(host).refresher.refresh()
            run(host, "prune", "--older-than", "2026-03-03")
            registration_of(host).refresher.refresh()
        assert "word" not in str(all_tables(host))


class TestOthersMeanwhile:
    def test_two_at_once_delete_everything_once(self, host: Flask) -> None:
        save(host, *(at(100 + number / 1000) for number in range(600)), at(1))
        url = database_url_of(host)
        args = ("prune", "--older-than", "90d")
        slow = "from tcs_events.rights import deleting\ndeleting.MAX_ROWS = 20"
        with running(url, *args, program=slow) as one, running(url, *args, program=slow) as two:
            said = [one.line(), two.line()]
            assert [one.process.wait(WAIT_SECONDS), two.process.wait(WAIT_SECONDS)] == [0, 0]
        deleted = [int(line.split()[1]) for line in said]
        assert sum(deleted) == 600
        assert len(stored(host)) == 1

    def test_an_event_that_gets_the_number_of_a_deleted_one_stays(
        self, sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # SQLite gives the number of the newest row again once that row is gone.
        save(sqlite_host, *(at(100) for _ in range(20)))
        turn, waiting = deleting._wait_for_turn, threading.Event()

        def late(connection: sa.Connection) -> None:
            if not waiting.is_set():
                waiting.set()
                path = str(connection.engine.url.database)
                with sqlite3.connect(path) as other:
                    other.execute("DELETE FROM user_events")
                assert post(sqlite_host).status_code == 202
            turn(connection)

        monkeypatch.setattr(deleting, "_wait_for_turn", late)
        assert run(sqlite_host, "prune", "--older-than", "90d").exit_code == 0
        [row] = stored(sqlite_host)
        assert row["id"] == 1

    def test_one_that_comes_late_goes_with_the_others(
        self, host: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deleting, "MAX_ROWS", 10)
        late = iter([at(100.5)])

        def meanwhile(seconds: float) -> None:
            save(host, *([event] if (event := next(late, None)) else []))

        monkeypatch.setattr(deleting.time, "sleep", meanwhile)
        save(host, *(at(100 - number / 1000) for number in range(60)), at(1))
        run(host, "prune", "--older-than", "90d")
        assert next(late, None) is None
        assert len(stored(host)) == 1

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_it_may_be_stopped_says_what_was_deleted_and_goes_on_next_time(
        self, host: Flask, number: signal.Signals, code: int
    ) -> None:
        save(host, *(at(100) for _ in range(600)))
        slow = (
            "from tcs_events.rights import deleting\n"
            "deleting.MAX_ROWS = 10\ndeleting.MIN_PAUSE_SECONDS = 0.1"
        )
        args = ("prune", "--older-than", "90d")
        with running(database_url_of(host), *args, program=slow) as pruning:
            assert eventually(lambda: len(stored(host)) < 600)
            assert pruning.end(number) == code
            said = [pruning.line(), pruning.line()]
        left = len(stored(host))
        assert 0 < left < 600
        assert f"Deleted {600 - left} events" in "\n".join(said)
        assert "Stopped before the end; run it again to continue." in said
        assert ask(host, *args)["events"] == left
        assert stored(host) == []

    def test_no_transaction_deletes_more_than_it_should(
        self, host: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deleting, "MAX_ROWS", 70)
        pauses: list[float] = []
        monkeypatch.setattr(deleting.time, "sleep", pauses.append)
        save(host, *(at(100) for _ in range(500)))
        deleted: list[int] = []
        with host.app_context():
            engine = registration_of(host).database.engine

        def before_delete(
            connection: Any, cursor: Any, statement: str, *_: object, **__: object
        ) -> None:
            if statement.startswith("DELETE FROM user_events"):
                deleted.append(statement.count(",") + 1)

        sa.event.listen(engine, "before_cursor_execute", before_delete)
        run(host, "prune", "--older-than", "90d")
        sa.event.remove(engine, "before_cursor_execute", before_delete)
        assert sum(deleted) == 500
        assert max(deleted) <= 70
        assert len(pauses) >= len(deleted)
        assert min(pauses) >= deleting.MIN_PAUSE_SECONDS


class TestPace:
    def test_grows_where_there_is_time_and_shrinks_where_there_is_none(self) -> None:
        pace = Pace()
        pace.rows = 400
        pace.learn(TARGET_SECONDS / 10)
        assert pace.rows == 600
        pace.learn(TARGET_SECONDS * 100)
        assert pace.rows == 300

    def test_has_bounds(self) -> None:
        pace = Pace()
        for _ in range(100):
            pace.learn(0)
        assert pace.rows == MAX_ROWS
        for _ in range(100):
            pace.learn(60)
        assert pace.rows == MIN_ROWS

    @pytest.mark.parametrize("seconds_per_row", [0.00001, 0.0001, 0.001])
    def test_finds_the_size_that_takes_as_long_as_it_should(self, seconds_per_row: float) -> None:
        pace = Pace()
        for _ in range(40):
            pace.learn(pace.rows * seconds_per_row)
        wanted = max(MIN_ROWS, min(MAX_ROWS, TARGET_SECONDS / seconds_per_row))
        assert pace.rows == pytest.approx(wanted, rel=0.1)


def test_the_hosts_connection_is_given_back_as_it_was(sqlite_host: Flask) -> None:
    post(sqlite_host)  # which puts the file into WAL: elsewhere nothing is changed
    save(sqlite_host, *(at(100) for _ in range(20)))
    names = ("synchronous", "wal_autocheckpoint")
    engine = sa.create_engine(database_url_of(sqlite_host), poolclass=sa.StaticPool)
    seen: list[list[Any]] = []

    def settings() -> list[Any]:
        with engine.connect() as connection:
            return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    deleter = deleting.Deleter(engine, ZoneInfo("UTC"), lambda *_: seen.append(settings()))
    before = settings()
    prune(engine, deleter, days_ago(90))
    assert settings() == before
    assert [1, 0] in seen
    assert before[0] != 1


def test_postgresql_has_synced_at_the_end_what_was_deleted(postgres_host: Flask) -> None:
    save(postgres_host, *(at(100) for _ in range(200)))
    engine = sa.create_engine(database_url_of(postgres_host), poolclass=sa.NullPool)
    deleted_at: list[str] = []

    def ask_log(function: str) -> str:
        with engine.connect() as connection:
            return str(connection.exec_driver_sql(f"SELECT {function}()").scalar_one())

    deleter = deleting.Deleter(
        engine, ZoneInfo("UTC"), lambda *_: deleted_at.append(ask_log("pg_current_wal_insert_lsn"))
    )
    prune(engine, deleter, days_ago(90))
    query = "SELECT CAST(:synced AS pg_lsn) >= CAST(:deleted AS pg_lsn)"
    places = {"synced": ask_log("pg_current_wal_flush_lsn"), "deleted": deleted_at[-1]}
    with engine.connect() as connection:
        assert connection.execute(sa.text(query), places).scalar_one()


def test_the_log_stays_short_so_that_no_visitor_has_to_write_it_back(
    sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(sqlite_host)
    save(sqlite_host, *(at(100) for _ in range(4_000)))
    with sqlite3.connect(database_url_of(sqlite_host).removeprefix("sqlite:///")) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    log = Path(database_url_of(sqlite_host).removeprefix("sqlite:///") + "-wal")
    lengths: list[int] = []
    monkeypatch.setattr(deleting.time, "sleep", lambda _: lengths.append(log.stat().st_size))
    run(sqlite_host, "prune", "--older-than", "90d")
    assert len(lengths) > 10
    written_back_by_others = 1_000 * 4_096  # https://www.sqlite.org/wal.html#automatic_checkpoint
    assert 0 < max(lengths) < written_back_by_others / 4


def test_the_index_finds_what_is_old(host: Flask) -> None:
    """Ten million rows are not walked through, neither to count nor to delete."""
    save(host, *(at(100, event_type=name) for name in TYPES))
    with host.app_context():
        engine = registration_of(host).database.engine
    asked: list[tuple[str, Any]] = []

    def remember(
        connection: Any, cursor: Any, statement: str, values: Any, *_: object, **__: object
    ) -> None:
        is_about_events = "user_event_identities" not in statement
        if "created_at <" in statement and is_about_events:
            asked.append((statement, values))

    sa.event.listen(engine, "before_cursor_execute", remember)
    run(host, "prune", "--older-than", "90d", "--dry-run")
    run(host, "prune", "--older-than", "90d")
    sa.event.remove(engine, "before_cursor_execute", remember)
    is_sqlite = engine.dialect.name == "sqlite"
    plans = []
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, values in asked:
            explain = f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}"
            plans.append(str(connection.exec_driver_sql(explain, values).all()))
    assert len(plans) > len(TYPES)
    for plan in plans:
        assert "ix_user_events_event_type_created_at" in plan
