"""Hosts whose tables are not in the schema `public`, and whose role may create none there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    MetaData,
    NullPool,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column
from structlog.testing import capture_logs

from tcs_events import UserEvent, create_blueprint
from tcs_events.errors import TableMissing
from tcs_events.models import OPTIONAL_TABLES, own_metadata
from tcs_events.reports import Reports
from tests.conftest import MakeHost
from tests.databases import execute_in
from tests.drivers import POSTGRES_DRIVERS, with_driver
from tests.hosts.everything import use_everything
from tests.support import need_module, post

ROLE = "tcs_events_schemas"
Make = Callable[..., Flask]
Way = Callable[[str], tuple[MetaData, dict[str, Any]]]
"""Returns the metadata and the settings of a host that names a schema."""


def translated(schema: str | None, to: str) -> tuple[MetaData, dict[str, Any]]:
    options = {"execution_options": {"schema_translate_map": {schema: to}}}
    return MetaData(schema=schema), {"SQLALCHEMY_ENGINE_OPTIONS": options}


WAYS: dict[str, Way] = {
    "MetaData": lambda schema: (MetaData(schema=schema), {}),
    "schema_translate_map": lambda schema: translated(None, schema),
    "MetaData and schema_translate_map": lambda schema: translated("shop", schema),
    "TCS_EVENTS_SCHEMA": lambda schema: (MetaData(), {"TCS_EVENTS_SCHEMA": schema}),
    "TCS_EVENTS_SCHEMA and MetaData": lambda schema: (
        MetaData(schema="shop"),
        {"TCS_EVENTS_SCHEMA": schema},
    ),
}


class Case(NamedTuple):
    way: str
    schema: str
    driver: str

    def __str__(self) -> str:
        return f"{self.way} {self.schema} {self.driver}"


CASES = [
    *(Case(way, "Our App", "psycopg") for way in WAYS),
    *(Case("MetaData", "app", driver) for driver in POSTGRES_DRIVERS),
    Case("schema_translate_map", "app", "psycopg2"),
    Case("schema_translate_map", "app", "pg8000"),
]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    need_module(case.driver)
    return case


@pytest.fixture
def schema(case: Case, postgres_url: str) -> str:
    """A schema in which a role may create tables, which it may not in `public`."""
    execute_in(
        postgres_url,
        f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f'CREATE SCHEMA "{case.schema}" AUTHORIZATION {ROLE}',
    )
    return case.schema


@pytest.fixture
def make(case: Case, make_host: MakeHost, postgres_url: str, schema: str) -> Iterator[Make]:
    """Make a host of that role, with our tables in the schema."""

    def make(**config: object) -> Flask:
        metadata, settings = WAYS[case.way](schema)
        url = make_url(with_driver(postgres_url, case.driver)).set(username=ROLE)
        db = SQLAlchemy(metadata=metadata)
        return make_host(url.render_as_string(False), db=db, **settings, **config)

    yield make
    execute_in(postgres_url, f'DROP SCHEMA "{schema}" CASCADE')


def test_everything_works_there_and_nothing_is_elsewhere(
    make: Make, postgres_url: str, schema: str, tmp_path: Path
) -> None:
    app = make(TCS_EVENTS_KEEP_REJECTED=100)
    use_everything(app, tmp_path)

    tables = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_name LIKE"
    # In schemas of this name, tables wait for another test.
    elsewhere = "table_schema NOT LIKE 'waiting%%'"
    found = execute_in(postgres_url, f"{tables} 'user_event%%' AND {elsewhere}")
    assert {where for where, _ in found} == {schema}
    needed = set(own_metadata.tables) - set(OPTIONAL_TABLES)
    assert {name for _, name in found} == needed | {"user_event_rejections"}


def test_the_doctor_finds_nothing_wrong_and_names_the_tables_in_full(
    make: Make, schema: str
) -> None:
    app = make()
    with capture_logs():
        result = app.test_cli_runner().invoke(args=["tcs-events", "doctor", "--json"])
    findings = json.loads(result.stdout)["findings"]
    assert [finding for finding in findings if finding["level"] != "ok"] == []
    name = f"{schema}.user_events" if schema == "app" else f'"{schema}".user_events'
    assert f"table {name}" in {finding["what"] for finding in findings}


def test_the_class_finds_its_rows_in_the_hosts_session(make: Make) -> None:
    app = make()
    # Before anything else of ours has used the database.
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        assert session.scalar(select(func.count()).select_from(UserEvent)) == 0
        session.add(UserEvent(event_id=uuid4(), session_id="host", event_type="card_click"))
        session.commit()
        assert UserEvent.query.filter_by(session_id="host").one().payload == {}
    post(app)
    with app.app_context():
        assert {row.session_id for row in UserEvent.query} == {"host", "visitor-1"}
        assert UserEvent.query.delete() == 2


class TestOneWay:
    """Where one way to name a schema stands for all."""

    @pytest.fixture
    def schema(self, postgres_url: str) -> str:
        execute_in(postgres_url, "CREATE SCHEMA app")
        return "app"

    @pytest.fixture
    def host(self, make_host: MakeHost, postgres_url: str, schema: str) -> Flask:
        return make_host(postgres_url, db=SQLAlchemy(metadata=MetaData(schema=schema)))

    def test_a_missing_table_is_named_in_full(self, host: Flask, postgres_url: str) -> None:
        execute_in(postgres_url, "DROP TABLE app.user_events")
        assert post(host).status_code == 503
        with host.app_context():
            registration = host.extensions["tcs_events"]
            assert registration.missing_tables() == ["app.user_events"]
        result = host.test_cli_runner().invoke(args=["tcs-events", "gaps"])
        assert str(TableMissing("app.user_events")) in result.output

    def test_a_remedy_names_the_schema(self, host: Flask, postgres_url: str) -> None:
        post(host)
        execute_in(
            postgres_url,
            "INSERT INTO app.user_events (id, event_id, session_id, event_type, payload,"
            " created_at, received_at) SELECT 1 + n, gen_random_uuid(), 's', 'card_click', '{}',"
            " now(), now() FROM generate_series(1, 9) AS n",
        )
        assert post(host).status_code == 503
        with host.app_context():
            trouble = host.extensions["tcs_events"].store.trouble
            [problem] = host.extensions["tcs_events"].health.problems()
        remedy = "SELECT setval(pg_get_serial_sequence('app.user_events', 'id'),"
        assert remedy in trouble.remedy
        assert remedy in problem.remedy
        execute_in(postgres_url, trouble.remedy.partition("`")[2].partition("`")[0])
        assert post(host).status_code == 202

    def test_apps_with_different_schemas_share_the_class(
        self, host: Flask, make_host: MakeHost, postgres_url: str
    ) -> None:
        others = [
            make_host(postgres_url),
            make_host(postgres_url, create_blueprint(schema="events_only"), create=False),
        ]
        execute_in(postgres_url, "CREATE SCHEMA events_only")
        with others[1].app_context():
            others[1].extensions["sqlalchemy"].create_all()
        for number, app in enumerate((host, *others), 1):
            for n in range(number):
                assert post(app, session_id=f"visitor-{n}").status_code == 202
        for number, app in enumerate((host, *others), 1):
            with app.app_context():
                session = app.extensions["sqlalchemy"].session
                assert session.scalar(select(func.count()).select_from(UserEvent)) == number

    def test_the_class_may_be_joined_with_a_table_of_the_host(
        self, make_host: MakeHost, postgres_url: str, schema: str
    ) -> None:
        db = SQLAlchemy(metadata=MetaData(schema=schema))

        class Visitor(db.Model):
            id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
            session_id: Mapped[str]

        app = make_host(postgres_url, db=db)
        post(app)
        with app.app_context():
            db.session.add(Visitor(id=1, session_id="visitor-1"))
            db.session.commit()
            joined = select(Visitor.id, UserEvent.event_type).join(
                UserEvent, UserEvent.session_id == Visitor.session_id
            )
            assert db.session.execute(joined).all() == [(1, "card_click")]

    def test_reports_with_an_engine_alone_are_told_the_schema(
        self, host: Flask, postgres_url: str, schema: str
    ) -> None:
        post(host)
        engine = create_engine(postgres_url, poolclass=NullPool)
        reports = Reports(engine, timezone="UTC", schema=schema)
        rows = reports.activity(reports.last_days(1), "day")
        assert [row.events for row in rows if row.event_type == "card_click"] == [1]

    @pytest.mark.parametrize("path", ["app", "app, public"])
    def test_a_search_path_is_followed(
        self, make_host: MakeHost, postgres_url: str, schema: str, tmp_path: Path, path: str
    ) -> None:
        options = {"connect_args": {"options": f"-csearch_path={path.replace(' ', '')}"}}
        app = make_host(
            postgres_url, SQLALCHEMY_ENGINE_OPTIONS=options, TCS_EVENTS_KEEP_REJECTED=10
        )
        use_everything(app, tmp_path)
        assert execute_in(postgres_url, "SELECT count(*) FROM app.user_events") != [(0,)]


class TestSqlite:
    def test_a_schema_of_the_hosts_metadata_is_for_its_other_databases(
        self, make_host: MakeHost, sqlite_url: str
    ) -> None:
        db = SQLAlchemy(metadata=MetaData(schema="shop"))
        app = make_host(sqlite_url, db=db)  # SQLite has no schema shop: create_all would fail
        assert db.metadata.schema == "shop"
        assert post(app).status_code == 202

    def test_another_file_that_is_attached_may_be_named(
        self, make_host: MakeHost, sqlite_url: str, tmp_path: Path
    ) -> None:
        app = make_host(sqlite_url, create=False, TCS_EVENTS_SCHEMA="other")
        with app.app_context():
            db = app.extensions["sqlalchemy"]

            @event.listens_for(db.engine, "connect")
            def attach(driver: Any, _: object) -> None:
                driver.execute(f"ATTACH '{tmp_path}/other.db' AS other")

            db.create_all()
        assert [post(app, session_id=name).status_code for name in "ab"] == [202, 202]
        with app.app_context():
            assert {row.session_id for row in UserEvent.query} == {"a", "b"}
            assert inspect(db.engine).get_table_names() == []


class TestMariadb:
    """There a schema is another database of the same server."""

    @pytest.mark.parametrize("way", ["MetaData", "schema_translate_map", "TCS_EVENTS_SCHEMA"])
    def test_everything_works_in_another_database(
        self, make_host: MakeHost, mariadb_url: str, tmp_path: Path, way: str
    ) -> None:
        other = f"other_{uuid4().hex[:8]}"
        execute_in(mariadb_url, f"CREATE DATABASE {other}")
        try:
            metadata, settings = WAYS[way](other)
            db = SQLAlchemy(metadata=metadata)
            app = make_host(mariadb_url, db=db, TCS_EVENTS_KEEP_REJECTED=100, **settings)
            use_everything(app, tmp_path)
            tables = "SELECT DISTINCT table_schema FROM information_schema.tables"
            where = execute_in(mariadb_url, f"{tables} WHERE table_name = 'user_events'")
            assert (other,) in where
            assert (make_url(mariadb_url).database,) not in where
            with app.app_context():
                assert UserEvent.query.count() > 20
        finally:
            execute_in(mariadb_url, f"DROP DATABASE {other}")


def test_an_empty_schema_is_refused(make_host: MakeHost, sqlite_url: str) -> None:
    with pytest.raises(Exception, match="TCS_EVENTS_SCHEMA must be None or the name of a schema"):
        make_host(sqlite_url, TCS_EVENTS_SCHEMA="")
