"""The envelope of an event: the fields that all event types share, and how each is checked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from tcs_events.errors import UNPLANNED, Message
from tcs_events.event import EMAIL_MAX_LENGTH, SESSION_ID_MAX_LENGTH, USER_ID_MAX_LENGTH
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.own_schema import give_codes
from tcs_events.event_types.payload_form import PayloadForm

MAX_AGE_MS = timedelta(days=7) // timedelta(milliseconds=1)


def _printable(text: str) -> None:
    """Check that a text does no harm in a log, a page or a shell, and is not blank."""
    if not text.isprintable() or not text.strip():
        raise ValidationError("Must be printable characters, and not only spaces.")


def check_email(text: str) -> None:
    """Check that a text is an e-mail address of at most `EMAIL_MAX_LENGTH` characters.

    Raises:
        ValidationError: it is not an address, or too long.
    """
    # The length first, because the time of marshmallow's pattern grows with it.
    if len(text) > EMAIL_MAX_LENGTH:
        raise ValidationError(f"Longer than maximum length {EMAIL_MAX_LENGTH}.")
    _printable(text)
    validate.Email()(text)


def known_email(value: object) -> str | None:
    """Return the e-mail address of an event, or None if it is not a valid one.

    The event is kept without it: a host's form may send an address that is only half typed.
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

    A wrong clock must not cost the event, and clocks may jump by years. A negative number becomes
    0, and more than seven days become seven days. Anything else becomes 0, such as null, which is
    how `JSON.stringify` writes NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # NaN
        return 0
    return int(min(max(value, 0), MAX_AGE_MS))


# Not `Field[str]`, because fields are not generic in marshmallow 3. `deserialize` also gets
# `missing`, for a field that was not sent: it becomes None or 0.
class _KnownEmail(fields.Field):  # type: ignore[type-arg]
    def deserialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return known_email(value)


class _KnownAge(fields.Field):  # type: ignore[type-arg]
    def deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        return known_age_ms(value)


_SESSION_ID: list[Callable[[str], object]] = [validate.Length(1, SESSION_ID_MAX_LENGTH), _printable]


def known_session_id(value: object) -> str | None:
    """Return a session id, or None if an event with it would be refused."""
    if not isinstance(value, str):
        return None
    try:
        for check in _SESSION_ID:
            check(value)
    except ValidationError:
        return None
    return value


_SESSION_ID_MEANING = {
    "description": "The visitor's session: printable characters, not only spaces.",
    "format": "printable",
}
_AGE_MS_MEANING = {
    "description": "How many milliseconds ago the event happened, by the client's own clock: a"
    f" whole number from 0 to {MAX_AGE_MS}. Any other number counts as the nearest of these, and"
    " anything else as 0.",
    "examples": [0, 1200],
}
_EMAIL_MEANING = {
    "description": "The visitor's e-mail address.",
    "format": "email",
    "maxLength": EMAIL_MAX_LENGTH,
}
_KNOWN_EMAIL_MEANING = {
    "description": f"The visitor's e-mail address, of at most {EMAIL_MAX_LENGTH} characters, or"
    " null. If it is not valid, the event is stored without it.",
    "examples": ["ada@example.com", None],
}


class EventSchema(Schema):
    """An event as a client sends it.

    Unknown fields are ignored, so that an older server accepts the events of a newer tracker.
    """

    class Meta:
        unknown = EXCLUDE

    payload_forms: ClassVar[dict[str, PayloadForm | None]] = {}
    """The allowlist: what is stored of the payloads of each event type, None for what was sent.

    `event_schema` fills it in.
    """

    event_type = fields.String(required=True)
    session_id = fields.String(required=True, validate=_SESSION_ID, metadata=_SESSION_ID_MEANING)
    payload = fields.Dict(load_default=dict)
    event_id = fields.UUID(
        metadata={"description": "Made once per event and kept in retries: it is stored once."}
    )
    age_ms = _KnownAge(metadata=_AGE_MS_MEANING)
    email = _KnownEmail(metadata=_KNOWN_EMAIL_MEANING)

    @validates_schema(skip_on_field_errors=False)
    def check_event_type(self, data: dict[str, Any], **_: object) -> None:
        """Check the type against the allowlist, and make what is stored of the payload."""
        if "event_type" not in data:
            return  # Its field has reported an error already.
        event_type = data["event_type"]
        if event_type not in self.payload_forms:
            allowed = ", ".join(self.payload_forms)
            message = Message(f"Must be one of: {allowed}.", UNPLANNED)
            raise ValidationError({"event_type": [message]})
        form = self.payload_forms[event_type]
        if form is not None and "payload" in data:
            try:
                data["payload"] = form.stored(data["payload"])
            except ValidationError as error:
                raise ValidationError({"payload": error.messages}) from None


class IdentitySchema(Schema):
    """A link from a session to a person, as a client sends it."""

    class Meta:
        unknown = EXCLUDE

    session_id = fields.String(required=True, validate=_SESSION_ID, metadata=_SESSION_ID_MEANING)
    email = fields.String(required=True, validate=check_email, metadata=_EMAIL_MEANING)
    age_ms = _KnownAge(metadata=_AGE_MS_MEANING)


class PersonSchema(Schema):
    """A link from a session to a person, as the host's own code says it."""

    session_id = fields.String(required=True, validate=_SESSION_ID)
    email = fields.String(load_default=None, allow_none=True, validate=check_email)
    user_id = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, USER_ID_MAX_LENGTH), _printable],
    )


def event_schema(event_types: EventTypes, max_payload_bytes: int | None = None) -> EventSchema:
    """Return the schema that allows `event_types`. Make it once, and use it for every event.

    Args:
        event_types: the allowlist.
        max_payload_bytes: the most bytes that a payload may have after its defaults are filled in.
            None is without limit.
    """
    forms = {
        name: each.schema and PayloadForm(name, each.schema, max_payload_bytes)
        for name, each in event_types.items()
    }
    # A class of its own, because each app of a process may allow other types.
    schema: EventSchema = type("HostEventSchema", (EventSchema,), {"payload_forms": forms})()
    give_codes(schema)
    return schema


def identity_schema() -> IdentitySchema:
    """Return the schema of a link. Make it once, and use it for every link."""
    schema = IdentitySchema()
    give_codes(schema)
    return schema


def person_schema() -> PersonSchema:
    """Return the schema of what the host's own code says. Make it once."""
    schema = PersonSchema()
    give_codes(schema)
    return schema
