"""A feature that is off makes no table. Turning it on or off later loses nothing."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect
from sqlalchemy.orm import Mapped, mapped_column
from structlog.testing import capture_logs

from tcs_events import ConfigError, reports
from tcs_events.models import own_metadata
from tests.cli.asking import ask, run
from tests.conftest import MakeHost
from tests.support import URL, card_click, need_module, post, stored

SETTINGS: dict[str, dict[str, object]] = {
    "user_event_bot_sessions": {"TCS_EVENTS_BOTS": "mark"},
    "user_event_rejections": {"TCS_EVENTS_KEEP_REJECTED": 10},
    "user_event_users": {"TCS_EVENTS_IDENTIFY_USER": "by_hand"},
}
"""The tables that not every host has, and the setting that brings each."""
GOOGLEBOT = {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}


@pytest.fixture(autouse=True)
def _a_machine_that_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift the time limits of looks at the tables, because the machine may be busy."""
    monkeypatch.setattr("tcs_events.database.host_database.CHECK_SECONDS", 30)
    monkeypatch.setattr("tcs_events.watch.health.LOOK_SECONDS", 30)
    monkeypatch.setattr("tcs_events.host.registration.TIMEOUT_MS", 30_000)
    monkeypatch.setattr("tcs_events.intake.rejections.TIMEOUT_MS", 30_000)


@pytest.fixture(params=SETTINGS)
def table(request: pytest.FixtureRequest) -> str:
    need_module("crawleruseragents")
    return str(request.param)


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(app.extensions["sqlalchemy"].engine).get_table_names())


def doctor(app: Flask) -> tuple[int, str]:
    with capture_logs():
        result = run(app, "doctor")
    return result.exit_code, result.output


def clicks_of_today(app: Flask) -> int:
    """Return how many visits with a click the reports count."""
    with app.app_context():
        app.extensions["tcs_events"].refresher.refresh(rebuild=True)
        rows = reports.activity(reports.last_days(2), "day")
        return sum(row.sessions for row in rows if row.event_type == "card_click")


class TestOff:
    @pytest.fixture
    def app(self, make_host: MakeHost, database_url: str) -> Flask:
        return make_host(database_url)

    def test_no_table_is_made(self, app: Flask) -> None:
        assert tables(app) == set(own_metadata.tables) - set(SETTINGS)

    def test_everything_else_works(self, app: Flask) -> None:
        assert post(app, email="ada@example.com").status_code == 202
        assert post(app, event_type="unknown").status_code == 422
        assert app.test_client().get(f"{URL}/health").status_code == 200
        assert clicks_of_today(app) == 1
        assert doctor(app)[0] == 0
        assert run(app, "rollup").exit_code == 0
        assert ask(app, "rejected") == {"rows": []}
        assert ask(app, "replay")["stored"] == 0
        for command in ("prune --older-than 1d --dry-run", "prune --older-than 1d"):
            assert ask(app, *command.split())["rejections"] == 0
        person = ("--email", "ada@example.com")
        assert '"bot_sessions": []' in run(app, "export-subject", *person).stdout
        forgotten = ask(app, "forget", *person, "--yes")
        assert (forgotten["events"], forgotten["rejections"]) == (1, 0)
        assert stored(app) == []


class TestTurnedOnLater:
    @pytest.fixture
    def app(self, make_host: MakeHost, database_url: str, table: str) -> Flask:
        make_host(database_url)
        return make_host(database_url, create=False, **SETTINGS[table])

    def test_the_first_request_and_the_doctor_say_what_to_run(self, app: Flask, table: str) -> None:
        with capture_logs() as logs:
            app.test_client().get("/any-page")
        assert [(entry["event"], entry.get("table")) for entry in logs] == [
            ("tcs_events.table_missing", table)
        ]
        assert logs[0]["remedy"].startswith("run `db.create_all()`")
        code, said = doctor(app)
        assert code == 1
        assert f"wrong  table {table}: it does not exist; run `db.create_all()`" in said

    def test_meanwhile_only_the_feature_is_missing(self, app: Flask) -> None:
        assert post(app).status_code == 202
        assert post(app, event_type="unknown").status_code == 422
        assert app.test_client().get(f"{URL}/health").status_code == 200
        assert clicks_of_today(app) == 1
        for command in ("stats", "rollup", "prune --older-than 1d", "forget --session x --yes"):
            assert run(app, *command.split()).exit_code == 0

    def test_create_all_makes_the_table(self, app: Flask, table: str) -> None:
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
        assert table in tables(app)
        assert doctor(app)[0] == 0

    @pytest.mark.parametrize("command", ["rejected", "replay"])
    def test_the_commands_of_refused_events_say_what_to_run(
        self, make_host: MakeHost, sqlite_url: str, command: str
    ) -> None:
        make_host(sqlite_url)
        app = make_host(sqlite_url, create=False, TCS_EVENTS_KEEP_REJECTED=10)
        result = run(app, command)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: There is no table user_event_rejections; run `db.")


class TestTurnedOffLater:
    def test_the_table_stays_and_is_no_longer_in_the_metadata(
        self, make_host: MakeHost, sqlite_url: str, table: str
    ) -> None:
        make_host(sqlite_url, **SETTINGS[table])
        app = make_host(sqlite_url)
        assert table in tables(app)
        assert table not in app.extensions["sqlalchemy"].metadata.tables
        code, said = doctor(app)
        assert (code, table in said) == (0, False)

    def test_sessions_of_crawlers_are_still_left_out(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        need_module("crawleruseragents")
        app = make_host(database_url, TCS_EVENTS_BOTS="mark")
        app.test_client().post(URL, json=card_click(), headers=GOOGLEBOT)
        app = make_host(database_url, create=False)
        post(app, session_id="visitor-2")
        assert (clicks_of_today(app), len(stored(app))) == (1, 2)

    def test_refused_events_are_still_listed_and_replayed(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        app = make_host(database_url, TCS_EVENTS_KEEP_REJECTED=10)
        assert post(app, event_type="card_tap").status_code == 422
        app = make_host(database_url, create=False, TCS_EVENTS_EVENT_TYPES=["card_tap"])
        assert [group["events"] for group in ask(app, "rejected")["rows"]] == [1]
        assert ask(app, "replay")["stored"] == 1
        assert ask(app, "rejected") == {"rows": []}


class TestOneMetadata:
    def test_has_the_tables_of_all_apps_and_each_app_its_own(
        self, make_host: MakeHost, sqlite_url: str, table: str
    ) -> None:
        db = SQLAlchemy()
        plain = make_host(sqlite_url, db=db, create=False)
        other = make_host(sqlite_url, db=db, create=False, **SETTINGS[table])
        again = make_host(sqlite_url, db=db, create=False)
        everybodys = set(own_metadata.tables) - set(SETTINGS)
        for app, expected in ((plain, set()), (other, {table}), (again, set())):
            assert set(app.extensions["tcs_events"].tables) == everybodys | expected
        assert set(db.metadata.tables) == everybodys | {table}
        with plain.app_context():
            db.create_all()
        assert doctor(other)[0] == 0

    def test_a_name_is_ours_even_while_its_feature_is_off(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        """`forget` deletes from every table of ours that the database has."""
        db = SQLAlchemy()

        class UserEventRejections(db.Model):  # type: ignore[name-defined]
            id: Mapped[int] = mapped_column(primary_key=True)

        with pytest.raises(ConfigError, match="a table user_event_rejections of its own"):
            make_host(sqlite_url, db=db)

    def test_a_host_may_reflect_what_a_feature_has_left(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        make_host(sqlite_url, TCS_EVENTS_KEEP_REJECTED=10)
        db = SQLAlchemy()
        first = make_host(sqlite_url, db=db)
        with first.app_context():
            db.reflect()
        assert "user_event_rejections" in db.metadata.tables
        second = make_host(sqlite_url, db=db)
        assert post(second).status_code == 202
