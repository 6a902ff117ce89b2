"""The envelope of an event, and the registry of event types with the schemas of their payloads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from tcs_events.event import EMAIL_MAX_LENGTH, SESSION_ID_MAX_LENGTH
from tcs_events.settings import EventTypes

MAX_AGE_MS = timedelta(days=7) // timedelta(milliseconds=1)


def _printable(text: str) -> None:
    """Refuse control characters and blanks: they end up in logs, pages and shells."""
    if not text.isprintable() or not text.strip():
        raise ValidationError("Must be printable characters, and not only spaces.")


def check_email(text: str) -> None:
    """Refuse a text that is no address.

    The length comes first: the address pattern is not for texts of any length.

    Raises:
        ValidationError: it is none, or too long.
    """
    if len(text) > EMAIL_MAX_LENGTH:
        raise ValidationError(f"Longer than maximum length {EMAIL_MAX_LENGTH}.")
    _printable(text)
    validate.Email()(text)


def known_email(value: object) -> str | None:
    """Return the address that was sent with an event, None where it is not one.

    A form that hands over what is in an unfinished field must not cost the event.
    """
    if not isinstance(value, str):
        return None
    try:
        check_email(value)
    except ValidationError:
        return None
    return value


def known_age_ms(value: object) -> int:
    """Return how long ago an event happened, in whole milliseconds from 0 to `MAX_AGE_MS`.

    Clocks are set, and jump by years: a number below 0 is 0, one beyond seven days is seven days.
    What is not a number says nothing, and is 0: `JSON.stringify` writes NaN as null.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return 0
    return int(min(max(value, 0), MAX_AGE_MS))


# Not of `Field[str]`: marshmallow 3 has no such thing. Both take `missing`, too.
class _KnownEmail(fields.Field):  # type: ignore[type-arg]
    def deserialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return known_email(value)


class _KnownAge(fields.Field):  # type: ignore[type-arg]
    def deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        return known_age_ms(value)


_SESSION_ID: list[Callable[[str], object]] = [validate.Length(1, SESSION_ID_MAX_LENGTH), _printable]
_SESSION_ID_MEANING = {
    "description": "Printable characters, not only spaces: the visitor's session.",
    "format": "printable",
}
_AGE_MS_MEANING = {
    "description": "How many milliseconds ago it happened, by the client's own clock: a whole"
    f" number from 0 to {MAX_AGE_MS}. Any other number is taken for the nearest of these, and what"
    " is not a number for 0.",
    "examples": [0, 1200],
}
_EMAIL_MEANING = {
    "description": "Who the visitor is.",
    "format": "email",
    "maxLength": EMAIL_MAX_LENGTH,
}
_KNOWN_EMAIL_MEANING = {
    "description": f"Who the visitor is: an address of at most {EMAIL_MAX_LENGTH} characters, or"
    " null. Anything else is left out, and the event is stored without it.",
    "examples": ["ada@example.com", None],
}


class EventSchema(Schema):
    """What a client sends for one event.

    Fields that are not listed are ignored, so that an older server takes a newer tracker.
    """

    class Meta:
        unknown = EXCLUDE

    payload_schemas: ClassVar[dict[str, Schema | None]] = {}
    """The allowlist: event type to the schema of its payload. `event_schema` fills it in."""

    event_type = fields.String(required=True)
    session_id = fields.String(required=True, validate=_SESSION_ID, metadata=_SESSION_ID_MEANING)
    payload = fields.Dict(load_default=dict)
    event_id = fields.UUID(
        metadata={"description": "Made once per event and kept across retries: stored once."}
    )
    age_ms = _KnownAge(metadata=_AGE_MS_MEANING)
    email = _KnownEmail(metadata=_KNOWN_EMAIL_MEANING)

    @validates_schema(skip_on_field_errors=False)
    def check_event_type(self, data: dict[str, Any], **_: object) -> None:
        """Hold the type against the allowlist and the payload against the schema of its type."""
        if "event_type" not in data:
            return
        event_type = data["event_type"]
        if event_type not in self.payload_schemas:
            allowed = ", ".join(self.payload_schemas)
            raise ValidationError({"event_type": [f"Must be one of: {allowed}."]})
        payload_schema = self.payload_schemas[event_type]
        if payload_schema is not None and "payload" in data:
            errors = payload_schema.validate(data["payload"])
            if errors:
                raise ValidationError({"payload": errors})


class IdentitySchema(Schema):
    """What a client sends to say who a session belongs to."""

    class Meta:
        unknown = EXCLUDE

    session_id = fields.String(required=True, validate=_SESSION_ID, metadata=_SESSION_ID_MEANING)
    email = fields.String(required=True, validate=check_email, metadata=_EMAIL_MEANING)
    age_ms = _KnownAge(metadata=_AGE_MS_MEANING)


def event_schema(event_types: EventTypes) -> EventSchema:
    """Return the schema that allows `event_types`, to be made once and used for every event."""
    payload_schemas = {name: schema and schema() for name, schema in event_types.items()}
    schema: EventSchema = type(
        "HostEventSchema", (EventSchema,), {"payload_schemas": payload_schemas}
    )()
    return schema
