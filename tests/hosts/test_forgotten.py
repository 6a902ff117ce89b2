"""A host that forgot something is told what, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, redirect
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from structlog.testing import capture_logs

from tcs_events import DatabaseMissing, UserEvent, events_bp
from tcs_events.models import OPTIONAL_TABLES, own_metadata
from tests.conftest import MakeHost
from tests.support import URL, post, stored

TABLES = [name for name in own_metadata.tables if name not in OPTIONAL_TABLES]
"""Those that every host has."""
NOT_STORED = {"errors": {"_schema": ["The event was not stored. Send it again later."]}}


def events_logged(app: Flask, path: str = "/") -> list[str]:
    with capture_logs() as logs:
        app.test_client().get(path)
    return [entry["event"] for entry in logs]


def doctor(app: Flask) -> tuple[int, str]:
    """Run the doctor; return its exit code and what it says, without the log lines of the app."""
    with capture_logs():
        result = app.test_cli_runner().invoke(args=["tcs-events", "doctor"])
    return result.exit_code, result.output


class TestATableThatIsThere:
    def test_the_first_request_of_all_says_so_once(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        app = make_host(database_url)
        with capture_logs() as logs:
            app.test_client().get("/any-page")
            app.test_client().get("/any-page")
        assert logs == [
            {
                "event": "tcs_events.tables_ready",
                "tables": TABLES,
                "log_level": "info",
            }
        ]

    def test_the_doctor_finds_nothing_wrong_and_stores_nothing(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url)
        code, output = doctor(app)
        assert code == 0
        for what in (
            f"database {sqlite_url}",
            *(f"table {name}" for name in TABLES),
            *(f"endpoint POST {URL}{path}" for path in ("", "/batch", "/identify")),
        ):
            assert f"ok     {what}\n" in output
        assert {line.split()[0] for line in output.splitlines()} == {"ok"}
        assert stored(app) == []

    def test_the_doctor_does_not_print_the_password(
        self, make_host: MakeHost, postgres_url: str
    ) -> None:
        app = make_host(postgres_url.replace("postgres@", "postgres:hunter2@"))
        code, output = doctor(app)
        assert code == 0
        assert "hunter2" not in output


class TestNoTable:
    @pytest.fixture
    def app(self, make_host: MakeHost, database_url: str) -> Flask:
        return make_host(database_url, create=False)

    def test_the_first_request_says_what_to_run(self, app: Flask) -> None:
        with capture_logs() as logs:
            app.test_client().get("/any-page")
        assert logs == [
            {
                "event": "tcs_events.table_missing",
                "table": "user_events",
                "remedy": "run `db.create_all()` in an app context,"
                " or `flask db migrate` and `flask db upgrade`",
                "log_level": "error",
            }
        ]

    def test_an_event_is_answered_503_until_the_table_is_made(self, app: Flask) -> None:
        with capture_logs() as logs:
            answer = post(app)
        assert (answer.status_code, answer.json) == (503, NOT_STORED)
        assert answer.headers["Retry-After"] == "5"
        assert [entry["event"] for entry in logs][1:] == [
            "tcs_events.table_missing",
            "tcs_events.event_failed",
        ]

        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
        assert post(app).status_code == 202

    def test_the_doctor_says_what_to_run(self, app: Flask) -> None:
        code, output = doctor(app)
        assert code == 1
        assert "wrong  table user_events: it does not exist; run `db.create_all()`" in output

    def test_an_invalid_event_is_422_all_the_same(self, app: Flask) -> None:
        assert post(app, event_type="nope").status_code == 422


def test_the_doctor_names_the_columns_that_an_old_table_lacks(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url, create=False)
    with app.app_context():
        db = app.extensions["sqlalchemy"]
        db.session.execute(text("CREATE TABLE user_events (id INTEGER PRIMARY KEY, payload TEXT)"))
        db.session.commit()
    code, output = doctor(app)
    assert code == 1
    assert (
        "wrong  table user_events: it lacks event_id, session_id, event_type, email, created_at,"
        " received_at;" in output
    )
    assert post(app).status_code == 503


class TestNoDatabaseOnTheApp:
    @pytest.fixture
    def app(self) -> Flask:
        app = Flask("forgetful")
        app.register_blueprint(events_bp)
        return app

    def test_a_developer_meets_an_error_that_names_the_line(self, app: Flask) -> None:
        app.testing = True
        with pytest.raises(DatabaseMissing) as caught:
            post(app)
        assert str(caught.value) == (
            "tcs_events found no database on this app. Add `db.init_app(app)` with your"
            " `db = SQLAlchemy()`; an app without one can use `from tcs_events import db`."
        )

    def test_a_visitor_meets_503_and_the_log_names_the_line(self, app: Flask) -> None:
        with capture_logs() as logs:
            answer = post(app)
        assert (answer.status_code, answer.json) == (503, NOT_STORED)
        [first, *_] = logs
        assert first["event"] == "tcs_events.database_missing"
        assert "Add `db.init_app(app)`" in first["remedy"]

    def test_the_hosts_other_pages_go_on(self, app: Flask) -> None:
        app.testing = True
        app.add_url_rule("/", view_func=lambda: "home")
        assert app.test_client().get("/").text == "home"
        assert events_logged(app) == []  # it was said once, at the first request

    def test_the_doctor_names_the_line(self, app: Flask) -> None:
        code, output = doctor(app)
        assert code == 1
        assert "wrong  database: tcs_events found no database on this app." in output


def test_a_host_with_binds_only_is_told_to_choose_one(
    tmp_path: Path, close_later: list[Flask]
) -> None:
    app, db = Flask("host"), SQLAlchemy()
    app.config["SQLALCHEMY_BINDS"] = {"events": f"sqlite:///{tmp_path}/events.db"}
    db.init_app(app)
    close_later.append(app)
    app.register_blueprint(events_bp)
    assert post(app).status_code == 503
    assert "set TCS_EVENTS_BIND_KEY to one of: events." in doctor(app)[1]


def test_a_database_that_is_away_is_503_and_says_so(make_host: MakeHost, tmp_path: Path) -> None:
    app = make_host(f"sqlite:///{tmp_path}/no/such/folder/host.db", create=False)
    with capture_logs() as logs:
        answer = post(app)
    assert (answer.status_code, answer.json) == (503, NOT_STORED)
    assert answer.headers["Retry-After"] == "5"
    assert {entry.get("reason") for entry in logs} == {"OperationalError", None}
    assert doctor(app)[0] == 1
    assert str(tmp_path) not in str(logs)


def test_the_doctor_sees_that_a_login_hook_shuts_visitors_out(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    app.before_request(lambda: redirect("/login"))
    code, output = doctor(app)
    assert code == 1
    assert (
        "wrong  endpoint POST /api/events: the app answers 302 before tcs_events can; in your"
        " before_request, return None when request.blueprint == 'tcs_events'" in output
    )


def test_the_first_request_of_many_threads_checks_the_table_once(
    make_host: MakeHost, sqlite_url: str
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    app = make_host(sqlite_url)
    with capture_logs() as logs, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(app).status_code, range(16)))
    assert answers == [202] * 16
    assert [entry["event"] for entry in logs].count("tcs_events.tables_ready") == 1
    with app.app_context():
        assert UserEvent.query.count() == 16


def test_the_endpoint_is_found_where_it_is_mounted(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    assert [rule.rule for rule in app.url_map.iter_rules() if "collect" in rule.endpoint] == [
        URL,
        f"{URL}/batch",
    ]
