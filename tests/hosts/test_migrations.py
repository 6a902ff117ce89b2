"""Flask-Migrate as a host uses it, by its commands, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.dialects.postgresql import JSONB

from tests.databases import execute_in
from tests.support import ROOT, need

PLAIN = """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, mapped_column
from tcs_events import events_bp

{db}

class Expert(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(50), unique=True, index=True)

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    app.config["TCS_EVENTS_SCHEMA"] = os.environ.get("SCHEMA")
    app.config["TCS_EVENTS_KEEP_REJECTED"] = int(os.environ.get("KEEP_REJECTED", "0"))
    app.register_blueprint(events_bp)
    db.init_app(app)
    Migrate(app, db, include_schemas=db.metadata.schema is not None or "SCHEMA" in os.environ)
    return app
"""
DBS = {
    "plain": "db = SQLAlchemy()",
    "naming convention": """
db = SQLAlchemy(metadata=MetaData(naming_convention={
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}))
""",
    "schema": 'db = SQLAlchemy(metadata=MetaData(schema="shop"))',
}


class Project:
    """A host in a folder of its own."""

    def __init__(self, folder: Path, db: str) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}
        (folder / "shop.py").write_text(PLAIN.format(db=db))

    def flask(self, database_url: str, *arguments: str, keep_rejected: int = 0) -> str:
        command = [sys.executable, "-m", "flask", "--app", "shop:create_app", *arguments]
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "KEEP_REJECTED": str(keep_rejected),
            "PYTHONPATH": str(ROOT),
            **self.environment,
        }
        result = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stderr[-500:]
        return result.stdout + result.stderr

    def begin(self, database_url: str) -> None:
        """Write the first migration, from an empty database."""
        self.flask(database_url, "db", "init")
        self.flask(database_url, "db", "migrate", "-m", "events")


@pytest.fixture(params=["plain", "naming convention"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    need(importlib.util.find_spec("flask_migrate"), "Flask-Migrate", "pip install -e '.[test]'")
    return Project(tmp_path, DBS[request.param])


@pytest.mark.parametrize(
    ("project", "database_url"),
    [("plain", "postgresql"), ("naming convention", "sqlite"), ("plain", "mariadb")],
    indirect=True,
)
def test_one_migration_makes_our_table_and_leaves_no_difference(
    project: Project, database_url: str
) -> None:
    project.begin(database_url)
    project.flask(database_url, "db", "upgrade")

    assert "No new upgrade operations detected" in project.flask(database_url, "db", "check")
    assert "ok     table user_events" in project.flask(database_url, "tcs-events", "doctor")
    engine = create_engine(database_url)
    assert {"expert", "user_events"} <= set(inspect(engine).get_table_names())
    engine.dispose()


@pytest.mark.parametrize("project", ["plain"], indirect=True)
def test_our_views_are_neither_made_nor_dropped_as_tables(
    project: Project, database_url: str
) -> None:
    project.begin(database_url)
    project.flask(database_url, "db", "upgrade")
    project.flask(database_url, "tcs-events", "views")
    engine = create_engine(database_url)
    assert "events_card_click" in inspect(engine).get_view_names()
    engine.dispose()

    written = project.flask(database_url, "db", "migrate", "-m", "nothing")
    assert "No changes in schema detected" in written
    assert len(list((project.folder / "migrations" / "versions").glob("*.py"))) == 1


@pytest.mark.parametrize(
    ("project", "environment", "role_settings", "schema"),
    [
        ("schema", {}, "", "shop"),
        ("plain", {"SCHEMA": "events"}, "", "events"),
        ("plain", {}, "SET search_path = shop", "shop"),
    ],
    indirect=["project"],
    ids=["MetaData", "TCS_EVENTS_SCHEMA", "search_path"],
)
def test_nor_does_it_leave_one_in_another_schema(
    project: Project,
    postgres_url: str,
    environment: dict[str, str],
    role_settings: str,
    schema: str,
) -> None:
    project.environment = environment
    execute_in(postgres_url, f"CREATE SCHEMA {schema}")
    if role_settings:
        name = make_url(postgres_url).database
        execute_in(postgres_url, f"ALTER DATABASE {name} {role_settings}")
    project.begin(postgres_url)
    project.flask(postgres_url, "db", "upgrade")

    assert "No new upgrade operations detected" in project.flask(postgres_url, "db", "check")
    assert "wrong " not in project.flask(postgres_url, "tcs-events", "doctor")
    where = "SELECT schemaname FROM pg_tables WHERE tablename = 'user_events'"
    assert execute_in(postgres_url, where) == [(schema,)]


def test_a_feature_that_is_turned_on_adds_its_table_and_turned_off_drops_it(
    project: Project, sqlite_url: str
) -> None:
    project.begin(sqlite_url)
    project.flask(sqlite_url, "db", "upgrade")
    said = project.flask(sqlite_url, "db", "migrate", "-m", "keep", keep_rejected=10)
    assert "Detected added table 'user_event_rejections'" in said
    project.flask(sqlite_url, "db", "upgrade", keep_rejected=10)
    said = project.flask(sqlite_url, "db", "migrate", "-m", "no more")
    assert said.count("Detected removed table") == 1
    assert "Detected removed table 'user_event_rejections'" in said


def test_a_migration_written_on_sqlite_makes_jsonb_on_postgresql(
    project: Project, sqlite_url: str, postgres_url: str
) -> None:
    project.begin(sqlite_url)
    project.flask(postgres_url, "db", "upgrade")

    assert "No new upgrade operations detected" in project.flask(postgres_url, "db", "check")
    engine = create_engine(postgres_url)
    columns = {column["name"]: column for column in inspect(engine).get_columns("user_events")}
    engine.dispose()
    assert isinstance(columns["payload"]["type"], JSONB)
    assert columns["created_at"]["type"].timezone is True


def test_a_migration_written_on_sqlite_makes_the_right_tables_on_mariadb(
    project: Project, sqlite_url: str, mariadb_url: str
) -> None:
    project.begin(sqlite_url)
    project.flask(mariadb_url, "db", "upgrade")

    assert "No new upgrade operations detected" in project.flask(mariadb_url, "db", "check")
    # The doctor looks at the collation, the engine and the microseconds of each table.
    assert "ok     table user_events" in project.flask(mariadb_url, "tcs-events", "doctor")
