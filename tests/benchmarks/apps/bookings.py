"""tcs_events in a host with an event type of its own: with and without a schema."""

from __future__ import annotations

from flask import Flask
from marshmallow import Schema, fields, validate

from tcs_events import EventType, create_blueprint
from tcs_events.wsgi import EventsMiddleware
from tests.benchmarks.apps.host import new_host
from tests.benchmarks.apps.logs import log_as_in_production


class Booking(Schema):
    room_id = fields.String(required=True, validate=validate.Length(min=1))
    plan = fields.String(required=True, validate=validate.OneOf(["flexible", "saver"]))
    price = fields.Float(required=True)
    guests = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))
    breakfast = fields.Boolean(load_default=False)
    arrives = fields.String()


class ExactBooking(Booking):
    price = fields.Decimal(required=True)
    arrives = fields.Date()


def create_app_without_schema() -> Flask:
    return _app(None)


def create_app_with_schema() -> Flask:
    return _app(Booking)


def create_app_with_decimal() -> Flask:
    return _app(ExactBooking)


def _app(schema: type[Schema] | None) -> Flask:
    log_as_in_production()
    app, db = new_host()
    app.register_blueprint(create_blueprint(event_types=[EventType("booking_done", schema)]))
    with app.app_context():
        db.create_all()
    app.wsgi_app = EventsMiddleware(app)  # type: ignore[method-assign]
    return app
