"""Hosts as they are met: factories, binds, hosts with tables, hooks and handlers of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, Response, abort, redirect, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, inspect, select
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.exceptions import HTTPException

from tcs_events import ConfigError, UserEvent, create_blueprint, events_bp
from tcs_events.models import OPTIONAL_TABLES, own_metadata
from tests.conftest import MakeHost
from tests.support import post, stored


def with_notes(db: SQLAlchemy) -> type:
    """Give a host a table of its own."""

    class Note(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(String(50))

    return Note


class TestTheHostsSession:
    """The plugin writes on a connection of its own."""

    def test_what_the_host_has_pending_is_not_committed_with_an_event(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        db = SQLAlchemy()
        note = with_notes(db)
        app = make_host(database_url, db=db)
        with app.app_context():
            db.session.add(note(text="pending"))
            if not database_url.startswith("sqlite"):  # SQLite has one writer at a time
                db.session.flush()
            assert post(app).status_code == 202
            db.session.rollback()
            assert db.session.scalars(select(note)).all() == []
        assert len(stored(app)) == 1

    def test_a_rollback_of_the_host_takes_no_event_away(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        db = SQLAlchemy()
        app = make_host(database_url, db=db)

        @app.before_request
        def look() -> None:
            db.session.scalars(select(UserEvent)).all()

        @app.teardown_request
        def undo(_: object) -> None:
            db.session.rollback()

        assert post(app).status_code == 202
        assert len(stored(app)) == 1

    def test_the_host_may_write_events_too(self, make_host: MakeHost, database_url: str) -> None:
        db = SQLAlchemy()
        app = make_host(database_url, db=db)
        with app.app_context():
            db.session.add(UserEvent(session_id="s", event_type="sign_up"))
            db.session.commit()
            [event] = db.session.scalars(select(UserEvent))
            assert (event.payload, event.email) == ({}, None)
            assert event.created_at.utcoffset() == event.received_at.utcoffset()
            assert event.created_at.utcoffset() is not None
            assert UserEvent.query.count() == db.paginate(select(UserEvent)).total == 1


class TestSeveralApps:
    def test_a_factory_called_twice_gives_two_working_apps(
        self, make_host: MakeHost, tmp_path: Path
    ) -> None:
        db = SQLAlchemy()
        first = make_host(f"sqlite:///{tmp_path}/first.db", db=db)
        second = make_host(f"sqlite:///{tmp_path}/second.db", db=db)
        post(first, session_id="of the first")
        post(second, session_id="of the second")
        assert [row["session_id"] for row in stored(first)] == ["of the first"]
        assert [row["session_id"] for row in stored(second)] == ["of the second"]

    def test_two_apps_with_a_db_each_share_nothing(
        self, make_host: MakeHost, tmp_path: Path
    ) -> None:
        types = create_blueprint(event_types=["log_out"])
        first = make_host(f"sqlite:///{tmp_path}/first.db")
        second = make_host(f"sqlite:///{tmp_path}/second.db", types)
        assert post(first).status_code == 202
        assert post(second).status_code == 422
        assert (len(stored(first)), len(stored(second))) == (1, 0)
        with second.app_context():
            assert UserEvent.query.count() == 0


class TestASecondBind:
    def test_events_go_to_the_bind_and_the_host_reads_them_there(
        self, make_host: MakeHost, tmp_path: Path
    ) -> None:
        db = SQLAlchemy()
        note = with_notes(db)
        app = make_host(
            f"sqlite:///{tmp_path}/main.db",
            db=db,
            SQLALCHEMY_BINDS={"events": f"sqlite:///{tmp_path}/events.db"},
            TCS_EVENTS_BIND_KEY="events",
        )
        assert post(app).status_code == 202
        with app.app_context():
            assert inspect(db.engines[None]).get_table_names() == [note.__tablename__]
            names = inspect(db.engines["events"]).get_table_names()
            assert set(names) == set(own_metadata.tables) - set(OPTIONAL_TABLES)
            assert len(db.session.scalars(select(UserEvent)).all()) == 1

    def test_each_app_has_its_own_bind(self, make_host: MakeHost, tmp_path: Path) -> None:
        binds = {"events": f"sqlite:///{tmp_path}/events.db"}
        main = f"sqlite:///{tmp_path}/main.db"
        bound = make_host(main, SQLALCHEMY_BINDS=binds, TCS_EVENTS_BIND_KEY="events")
        plain = make_host(main)
        post(bound)
        for app, rows in ((bound, 1), (plain, 0), (bound, 1)):
            with app.app_context():
                db = app.extensions["sqlalchemy"]
                assert len(db.session.scalars(select(UserEvent)).all()) == rows

    def test_a_bind_that_does_not_exist_stops_the_app(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            make_host(sqlite_url, TCS_EVENTS_BIND_KEY="evnts")
        assert str(caught.value) == (
            "TCS_EVENTS_BIND_KEY is 'evnts', which is not in SQLALCHEMY_BINDS."
        )


class TestTheHostsMetadata:
    def test_a_table_of_the_same_name_stops_the_app(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        db = SQLAlchemy()

        class UserEvents(db.Model):
            id: Mapped[int] = mapped_column(primary_key=True)

        with pytest.raises(ConfigError, match="a table user_events of its own"):
            make_host(sqlite_url, db=db)

    def test_dropping_all_drops_ours(self, make_host: MakeHost, sqlite_url: str) -> None:
        db = SQLAlchemy()
        app = make_host(sqlite_url, db=db)
        with app.app_context():
            db.drop_all()
            assert inspect(db.engine).get_table_names() == []


class TestTheHostsHooks:
    def test_a_catch_all_error_handler_does_not_change_our_answers(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url)

        @app.errorhandler(Exception)
        @app.errorhandler(HTTPException)
        def apologise(_: Exception) -> Response:
            return Response("<h1>Sorry</h1>", 500)

        client = app.test_client()
        assert post(client).status_code == 202
        assert post(client, event_type="nope").is_json
        assert client.post("/api/events", data=b"x" * 70_000).status_code == 413

    def test_a_host_that_demands_a_login_lets_events_through_by_the_blueprint(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url)
        app.add_url_rule("/account", view_func=lambda: "private")

        @app.before_request
        def demand_login() -> object:
            if request.blueprint == "tcs_events":
                return None
            return redirect("/login")

        assert post(app).status_code == 202
        assert app.test_client().get("/account").status_code == 302

    def test_two_blueprints_on_one_app_are_refused(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        app = make_host(sqlite_url)
        with pytest.raises(ConfigError, match="registered on this app already"):
            app.register_blueprint(create_blueprint("more", "/more"))

    def test_the_shell_knows_the_model(self, make_host: MakeHost, sqlite_url: str) -> None:
        app = make_host(sqlite_url)
        with app.app_context():
            assert app.make_shell_context()["UserEvent"] is UserEvent


def test_an_in_memory_database_works_for_the_hosts_own_tests(make_host: MakeHost) -> None:
    app = make_host("sqlite://")
    with app.app_context():
        assert post(app).status_code == 202
        assert UserEvent.query.count() == 1


def test_the_blueprint_may_be_nested_in_one_of_the_host(
    sqlite_url: str, close_later: list[Flask]
) -> None:
    from flask import Blueprint

    app, db, parent = Flask("host"), SQLAlchemy(), Blueprint("site", __name__, url_prefix="/site")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    close_later.append(app)
    parent.register_blueprint(events_bp)
    app.register_blueprint(parent)
    db.init_app(app)
    with app.app_context():
        db.create_all()
    assert app.test_client().post("/site/api/events", data=b"{}").status_code == 422
    assert "ok     endpoint POST /site/api/events" in (
        app.test_cli_runner().invoke(args=["tcs-events", "doctor"]).output
    )


class TestCsrfProtection:
    """Flask-WTF's protection switched on for the whole app."""

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_events_pass_and_the_hosts_forms_stay_protected(
        self, when: str, sqlite_url: str, close_later: list[Flask]
    ) -> None:
        flask_wtf = pytest.importorskip(
            "flask_wtf", reason="needs Flask-WTF: pip install -e '.[test]'"
        )
        app, db = Flask("host"), SQLAlchemy()
        app.config.update(SQLALCHEMY_DATABASE_URI=sqlite_url, SECRET_KEY="made up")
        close_later.append(app)
        if when == "before":
            flask_wtf.CSRFProtect(app)
        db.init_app(app)
        app.register_blueprint(events_bp)
        if when == "after":
            flask_wtf.CSRFProtect(app)
        app.add_url_rule("/form", view_func=lambda: abort(500), methods=["POST"])
        with app.app_context():
            db.create_all()

        client = app.test_client()
        assert client.post("/form").status_code == 400
        assert post(client).status_code == 202
        assert client.post("/form").status_code == 400
        assert len(stored(app)) == 1
