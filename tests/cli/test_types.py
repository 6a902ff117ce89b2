"""`flask tcs-events types`: the TypeScript of the types, and what a release would refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, fields, validate

from tcs_events import EventType, create_blueprint
from tcs_events.event_types.typescript import typescript
from tests.cli.asking import run

Release = Callable[..., Flask]
GRID = validate.OneOf(["grid", "list"])


class Room(Schema):
    room_id = fields.String(required=True)
    source = fields.String(validate=GRID)


class StrictRoom(Schema):
    room_id = fields.String(required=True)
    source = fields.String(validate=validate.OneOf(["grid"]), required=True)


class Point(fields.Field):  # type: ignore[type-arg]
    def _deserialize(self, value: object, *_: object, **__: object) -> object:
        return value


class Place(Schema):
    where = Point()


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """Make an app with these event types, whose database is not there: no build has one."""

    def make(*event_types: EventType) -> Flask:
        app = Flask("host")
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/no/such.db"
        SQLAlchemy().init_app(app)
        app.register_blueprint(create_blueprint(event_types=event_types))
        return app

    return make


def test_it_prints_the_typescript_without_a_database(release: Release) -> None:
    room = EventType("room_opened", Room, help="Looked at a room: Zürich.")
    result = run(release(room), "types", "--ts")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.decode() == typescript({"room_opened": room})
    assert 'declare module "tcs-events" {' in result.stdout
    pasted = run(release(room), "types", "--ts", "--module", "./tracking").stdout
    assert 'declare module "./tracking" {\n  interface EventPayloads' in pasted


def test_a_field_that_it_cannot_know_is_named(release: Release) -> None:
    result = run(release(EventType("room_opened", Place)), "types", "--ts")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "'room_opened' has a field 'where' that is of the class Point" in result.stderr
    assert 'metadata={"ts": "string"}' in result.stderr


def test_a_release_is_compared_with_the_last_one(release: Release, tmp_path: Path) -> None:
    file = str(tmp_path / "events.json")
    last = release(EventType("room_opened", Room), EventType("search"))
    saved = run(last, "types", "--snapshot", file)
    assert (saved.exit_code, saved.output) == (0, "")
    same = run(last, "types", "--check", file)
    assert same.exit_code == 0
    assert same.stdout == "Whatever the snapshot accepted is still accepted.\n"
    narrower = run(release(EventType("room_opened", StrictRoom)), "types", "--check", file)
    assert narrower.exit_code == 1
    assert narrower.stdout.splitlines() == [
        "room_opened.source is now required",
        'room_opened.source no longer takes "list"',
        "search is no longer an event type",
    ]


def test_a_snapshot_that_cannot_be_used_is_a_wrong_argument(
    release: Release, tmp_path: Path
) -> None:
    app, file = release(EventType("search")), tmp_path / "events.json"
    missing = run(app, "types", "--check", str(file))
    assert (missing.exit_code, missing.stdout) == (2, "")
    for damaged in (b"no", b"\xff", b'{"version": 2}'):
        file.write_bytes(damaged)
        result = run(app, "types", "--check", str(file))
        assert (result.exit_code, result.stdout) == (2, "")
        assert "is not a snapshot" in result.stderr
        assert "--snapshot" in result.stderr
    nowhere = run(app, "types", "--snapshot", str(tmp_path / "no" / "events.json"))
    assert nowhere.exit_code == 1
    assert "could not be written: No such file or directory." in nowhere.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ts", "--json"), "Give one of --json, --ts, --snapshot and --check."),
        (("--ts", "--snapshot", "x"), "Give one of --json, --ts, --snapshot and --check."),
        (("--module", "x"), "--module is an option of --ts."),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    release: Release, arguments: tuple[str, ...], said: str
) -> None:
    result = run(release(EventType("search")), "types", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
