"""What a team writes by hand: one view, one schema, one commit per event.

The table has the columns and indexes of `user_events`, so that both do the same work in the end.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
import structlog
from flask import Flask, request
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from sqlalchemy.dialects.postgresql import JSONB

from tests.benchmarks.apps.host import new_host
from tests.benchmarks.apps.logs import log_as_in_production

log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


class EventSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    event_id = fields.UUID(load_default=uuid4)
    session_id = fields.String(required=True, validate=validate.Length(1, 64))
    event_type = fields.String(
        required=True, validate=validate.OneOf(["card_click", "sage_query", "filter_change"])
    )
    payload = fields.Dict(load_default=dict)
    email = fields.Email(load_default=None, allow_none=True)


def create_app() -> Flask:
    log_as_in_production()
    app, db = new_host()
    schema = EventSchema()

    class Event(db.Model):  # type: ignore[name-defined,misc]
        __tablename__ = "events"
        __table_args__ = (sa.Index("ix_events_event_type_created_at", "event_type", "created_at"),)

        id = sa.Column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)
        event_id = sa.Column(sa.Uuid(), unique=True, nullable=False)
        session_id = sa.Column(sa.String(64), index=True, nullable=False)
        event_type = sa.Column(sa.String(50), nullable=False)
        payload = sa.Column(sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False)
        email = sa.Column(sa.String(320), index=True)
        created_at = sa.Column(sa.DateTime(timezone=True), default=utc_now, nullable=False)
        received_at = sa.Column(sa.DateTime(timezone=True), default=utc_now, nullable=False)

    @app.post("/api/events")
    def collect() -> tuple[dict[str, Any], int]:
        try:
            data = schema.load(request.get_json(force=True))
        except ValidationError as error:
            return {"errors": error.messages}, 422
        db.session.add(Event(**data))
        db.session.commit()
        log.info("event_stored", event_type=data["event_type"], event_id=str(data["event_id"]))
        return {"status": "accepted"}, 202

    with app.app_context():
        db.create_all()
    return app
