"""The README's own app, started by several processes at once on an empty database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine, inspect

from tcs_events import create_blueprint
from tcs_events.models import own_metadata
from tests.support import ROOT, post

WORKERS = 4
ROUNDS = 2

# What a worker of a server does. It waits for a line, so that all of them begin at once.
WORKER = """
import sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import events_bp

url = sys.argv[1]
db = SQLAlchemy()

class Page(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    address = db.Column(db.String(50), index=True)
    parent_id = db.Column(db.ForeignKey("page.id"))

app = Flask("host")
app.config["SQLALCHEMY_DATABASE_URI"] = url
db.init_app(app)
app.register_blueprint(events_bp)
{prepare}
print("ready", flush=True)
sys.stdin.readline()
with app.app_context():
    db.create_all()
"""
AS_BEFORE = """
from sqlalchemy import event
from tcs_events.database import creating
event.remove(db.metadata, "before_create", creating._begin)
"""


def start_together(url: str, prepare: str = "") -> list[str]:
    """Run the workers; return what each that failed has printed."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER.replace("{prepare}", prepare), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(WORKERS)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    errors = [worker.communicate()[1] for worker in workers]
    return [error for worker, error in zip(workers, errors, strict=True) if worker.returncode != 0]


def empty(url: str) -> None:
    """Drop all tables."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).unlink(missing_ok=True)
    else:
        from sqlalchemy import MetaData

        metadata = MetaData()
        metadata.reflect(engine)
        metadata.drop_all(engine)
    engine.dispose()


def test_all_workers_start_and_the_tables_are_whole(database_url: str) -> None:
    for _ in range(ROUNDS):
        assert start_together(database_url) == []
        engine = create_engine(database_url)
        inspector = inspect(engine)
        assert {"user_events", "page"} <= set(inspector.get_table_names())
        for name in ("user_events", "page"):
            assert inspector.get_indexes(name)
        engine.dispose()
        empty(database_url)


def test_control_without_taking_turns_some_do_not_start(database_url: str) -> None:
    failed: list[str] = []
    for _ in range(10):
        failed = start_together(database_url, AS_BEFORE)
        empty(database_url)
        if failed:
            break
    assert any("already exists" in error or "pg_type" in error for error in failed)


def test_tables_that_are_dropped_are_created_again(database_url: str) -> None:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db = SQLAlchemy(app)
    app.register_blueprint(create_blueprint())
    with app.app_context():
        for _ in range(2):
            db.create_all()
            db.create_all()  # finds all of them
            names = set(inspect(db.engine).get_table_names())
            assert names == set(db.metadata.tables)
            assert "user_events" in names
            assert post(app).status_code == 202
            app.extensions["tcs_events"].close()
            db.drop_all()
            assert not inspect(db.engine).get_table_names()
        db.engine.dispose()


@pytest.mark.parametrize("dialect", ["postgresql+psycopg", "sqlite"])
def test_a_mock_engine_still_gets_every_statement(dialect: str) -> None:
    from sqlalchemy import create_mock_engine

    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    app.register_blueprint(create_blueprint())
    statements: list[str] = []
    engine = create_mock_engine(f"{dialect}://", lambda statement, *_: statements.append(statement))
    db.metadata.create_all(engine, checkfirst=False)
    made = [statement for statement in map(str, statements) if "CREATE TABLE" in statement]
    assert len(made) == len(db.metadata.tables) < len(own_metadata.tables)
