"""From the bytes of a body to the events in it: strict JSON, the quick check, and the schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError

from tcs_events import strict_json
from tcs_events.errors import NOT_ALLOWED, TYPE, EventInvalid, Message
from tcs_events.event import Event, Identity, Record, identity_id, new_event_id
from tcs_events.event_types.payload_form import SchemaFailed
from tcs_events.event_types.schemas import (
    MAX_AGE_MS,
    EventSchema,
    identity_schema,
    known_age_ms,
    known_email,
    person_schema,
)
from tcs_events.intake.precheck import Precheck
from tcs_events.watch.log import log

Scrub = Callable[[dict[str, Any]], dict[str, Any]]


class Parsed(NamedTuple):
    """The value of a JSON body."""

    data: Any
    unsure: bool
    """Whether its texts may hold NUL or half an emoji."""


def _checked(data: Any, unsure: bool) -> Any:
    """Return the data if every reader of a stored row can read it.

    A wrong `age_ms` or `email` is left out if the rest can be read.

    Raises:
        EventInvalid: some reader could not read it: a text, a number, or too many levels.
    """
    try:
        check(data, unsure)
    except EventInvalid:
        kept = _without_odd_values(data)
        if kept == data:
            raise
        check(kept, unsure)
        return kept
    return data


def check(data: Any, unsure: bool) -> None:
    """Refuse data that some reader of a stored row could not read.

    Raises:
        EventInvalid: it could not read a text, a number, or so many levels.
    """
    try:
        strict_json.check(data) if unsure else strict_json.check_numbers(data)
    except strict_json.NotStrictJson as error:
        raise EventInvalid({"_schema": [str(error)]}) from None


def _without_odd_values(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    kept = dict(data)
    if "age_ms" in data:
        kept["age_ms"] = known_age_ms(data["age_ms"])
    if "email" in data and known_email(data["email"]) is None:
        del kept["email"]
    return kept


def corrections(data: Any, email: str | None) -> Sequence[str]:
    """Return the names under which corrections of a stored event are counted.

    Args:
        data: the event or identity as it was sent.
        email: the address that is stored with it.
    """
    age_ms = data.get("age_ms", 0)
    is_age_right = type(age_ms) is int and 0 <= age_ms <= MAX_AGE_MS
    if is_age_right and (email is not None or data.get("email") is None):
        return ()
    found = [] if is_age_right else ["ages_corrected"]
    if email is None and data.get("email") is not None:
        found.append("emails_left_out")
    return found


def as_sent(record: Record) -> dict[str, Any] | None:
    """Return an event as it may have been sent. Fields that are not stored are missing.

    Returns None if this is not the record of an event.
    """
    if len(record) != len(Event._fields):
        return None
    event = Event.of(record)
    return {
        "event_id": str(event.event_id),
        "session_id": event.session_id,
        "event_type": event.event_type,
        "payload": event.payload,
        "age_ms": (event.received_at - event.created_at) // timedelta(milliseconds=1),
        **({} if event.email is None else {"email": event.email}),
    }


def batch_items(batch: Any, max_events: int) -> list[Any]:
    """Return the events of a batch.

    Raises:
        EventInvalid: this is not a batch, or it is empty or too large.
    """
    items = batch.get("events") if isinstance(batch, dict) else None
    if not isinstance(items, list):
        raise EventInvalid({"events": [Message("Must be a list of events.", TYPE)]})
    if not 0 < len(items) <= max_events:
        raise EventInvalid({"events": [f"Must be 1 to {max_events} events, not {len(items)}."]})
    return items


def count_of(data: Any) -> int:
    """Return the number of events in a batch, 1 if this is not a batch."""
    items = data.get("events") if isinstance(data, dict) else None
    return len(items) or 1 if isinstance(items, list) else 1


class Reader:
    """Makes events of parsed JSON.

    Args:
        schema: which events are allowed.
        scrub: removes personal data from a payload. None leaves payloads as they are.
    """

    def __init__(self, schema: EventSchema, scrub: Scrub | None = None) -> None:
        self._schema = schema
        self._scrub = scrub
        self._precheck = Precheck(schema)
        self._identity_schema = identity_schema()
        self._person_schema = person_schema()
        self._failed: set[str] = set()

    def parse(self, body: bytes) -> Parsed:
        """Return the value of a body.

        Raises:
            EventInvalid: the body is not JSON, or is nested too deep.
        """
        try:
            return Parsed(*strict_json.parse(body))
        except strict_json.NotStrictJson as error:
            raise EventInvalid({"_schema": [Message(error, TYPE)]}) from None

    def event(self, data: Any, unsure: bool, received_at: datetime) -> Event:
        """Return the event.

        Args:
            data: the parsed event.
            unsure: whether its texts may hold NUL or half an emoji.
            received_at: when it was received, in UTC.

        Raises:
            EventInvalid: it is not allowed.
        """
        data = _checked(data, unsure)
        event = self._precheck(data, received_at) or self._load(data, received_at)
        return event._replace(payload=self._scrub(event.payload)) if self._scrub else event

    def identity(self, data: Any, unsure: bool, received_at: datetime) -> Identity:
        """Return the owner of a session. Arguments and errors are those of `event`."""
        loaded = self._loaded(self._identity_schema, _checked(data, unsure))
        session_id, email = loaded["session_id"], loaded["email"]
        return Identity(
            identity_id=identity_id(session_id, email),
            session_id=session_id,
            email=email,
            created_at=_happened_at(loaded, received_at),
            received_at=received_at,
        )

    def person(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the session, the address and the user id that the host's code has given.

        Raises:
            EventInvalid: one of them is not allowed.
        """
        return self._loaded(self._person_schema, data)

    def _load(self, data: Any, received_at: datetime) -> Event:
        """Let the schema decide."""
        loaded = self._loaded(self._schema, data)
        return Event(
            event_id=loaded.get("event_id") or new_event_id(),
            session_id=loaded["session_id"],
            event_type=loaded["event_type"],
            payload=loaded["payload"],
            email=loaded["email"],
            created_at=_happened_at(loaded, received_at),
            received_at=received_at,
        )

    def _loaded(self, schema: Schema, data: Any) -> dict[str, Any]:
        try:
            loaded: dict[str, Any] = schema.load(data)
        except ValidationError as error:
            messages: Any = _messages(error.normalized_messages())  # type: ignore[no-untyped-call]
            raise EventInvalid(messages) from None
        except SchemaFailed as failed:
            self._note(failed)
            message = "The schema of this event type failed. The log of the server says why."
            raise EventInvalid({"payload": [Message(message)]}) from None
        return loaded

    def _note(self, failed: SchemaFailed) -> None:
        place = f"{failed.event_type} {failed.where}"
        if place in self._failed:  # a schema that always fails would fill the log
            return
        self._failed.add(place)
        log.error(
            "tcs_events.schema_failed",
            event_type=failed.event_type,
            schema=failed.schema,
            reason=failed.reason,
            where=failed.where,
            remedy="mend the schema or its hooks; its events are refused until then",
        )


def _happened_at(loaded: dict[str, Any], received_at: datetime) -> datetime:
    return received_at - timedelta(milliseconds=loaded["age_ms"])


def _messages(errors: object) -> object:
    """Return errors as JSON has them. A host's messages may be translations, or its keys tuples."""
    if isinstance(errors, dict):
        return {
            name if isinstance(name, str | int) else str(name): _messages(inner)
            for name, inner in errors.items()
        }
    if isinstance(errors, list | tuple):
        return [_messages(inner) for inner in errors]
    return (
        errors if isinstance(errors, str) else Message(errors, getattr(errors, "code", NOT_ALLOWED))
    )
