"""What a shell completes: the names that the host's code declares, without a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, fields

from tcs_events import EventType, create_blueprint
from tcs_events.roles import Click


class Place(Schema):
    city = fields.String()
    rooms = fields.Nested(lambda: Place())


class Booking(Schema):
    plan = fields.String()
    price = fields.Integer(data_key="total")
    place = fields.Nested(Place)
    guests = fields.List(fields.Nested(Place))


@pytest.fixture
def host(tmp_path: Path) -> Flask:
    """A host whose database is not there."""
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/no/such.db"
    SQLAlchemy().init_app(app)
    types = [
        EventType("booked", Booking, help="Booked a room."),
        EventType("opened", role=Click(item="room_id"), break_down=("source",)),
        "sign_up",
    ]
    app.register_blueprint(create_blueprint(event_types=types))
    return app


TYPES = ["booked", "opened", "sign_up"]
OF_BOOKED = [
    "plan",
    "total",
    "place.city",
    "place.rooms.city",
    "place.rooms.rooms.city",
    "place.rooms.rooms.rooms",
    "guests",
]
COMPLETED = {
    "top": ("it", ["items"]),
    "paths": ("", TYPES),
    "stats --type": ("o", ["opened"]),
    "live --type": ("", TYPES),
    "tail --type": ("", TYPES),
    "export events.csv --type": ("boo", ["booked"]),
    "funnel sign_up": ("", TYPES),
    "retention --type": ("s", ["sign_up"]),
    "retention --returning": ("opened[", ["opened[room_id", "opened[source"]),
    "funnel booked": ("booked[p", [f"booked[{name}" for name in OF_BOOKED if name[0] == "p"]),
    "funnel gone": ("gone[", []),
    "paths booked --where": ("", OF_BOOKED),
    "retention --type opened --where": ("", ["room_id", "source"]),
    "retention --where": ("", [*OF_BOOKED, "room_id", "source"]),
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_the_shell_completes_what_is_declared(host: Flask, typed: str) -> None:
    incomplete, expected = COMPLETED[typed]
    info = ScriptInfo(create_app=lambda: host)
    shell = ShellComplete(FlaskGroup("flask"), {"obj": info}, "flask", "_FLASK_COMPLETE")
    found = shell.get_completions(["tcs-events", *typed.split()], incomplete)
    assert [item.value for item in found] == expected
    assert [item.help for item in found if item.value == "booked"] in ([], ["Booked a room."])
