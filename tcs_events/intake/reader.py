"""From the bytes of a body to the events in it: strict JSON, the quick check, and the schema."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError

from tcs_events import strict_json
from tcs_events.errors import EventInvalid
from tcs_events.event import Event, Identity, identity_id, new_event_id
from tcs_events.event_types.schemas import (
    MAX_AGE_MS,
    EventSchema,
    IdentitySchema,
    known_age_ms,
    known_email,
)
from tcs_events.intake.precheck import Precheck

Scrub = Callable[[dict[str, Any]], dict[str, Any]]


class Parsed(NamedTuple):
    """A value of a JSON body, or a part of it."""

    data: Any
    unsure: bool
    """Whether its texts may hold NUL or half an emoji. All parts of one body share this."""

    def part(self, data: Any) -> Parsed:
        """Return a part of this value, such as one event of a batch."""
        return Parsed(data, self.unsure)

    def checked(self) -> Any:
        """Return the data if every reader of a stored row can read it.

        A wrong `age_ms` or `email` is left out if the rest can be read.

        Raises:
            EventInvalid: some reader could not read it: a text, a number, or too many levels.
        """
        try:
            self.check(self.data)
        except EventInvalid:
            kept = _without_odd_values(self.data)
            if kept == self.data:
                raise
            self.check(kept)
            return kept
        return self.data

    def check(self, data: Any) -> None:
        """Refuse data of this body that some reader of a stored row could not read.

        Raises:
            EventInvalid: it could not read a text, a number, or so many levels.
        """
        try:
            strict_json.check(data) if self.unsure else strict_json.check_numbers(data)
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


def corrections(data: Any, email: str | None) -> list[str]:
    """Return the names under which corrections of a stored event are counted.

    Args:
        data: the event or identity as it was sent.
        email: the address that was stored with it.
    """
    age_ms, found = data.get("age_ms", 0), []
    if type(age_ms) is not int or not 0 <= age_ms <= MAX_AGE_MS:
        found.append("ages_corrected")
    if email is None and data.get("email") is not None:
        found.append("emails_left_out")
    return found


def batch_items(batch: Parsed, max_events: int) -> list[Parsed]:
    """Return the events of a batch.

    Raises:
        EventInvalid: this is not a batch, or it is empty or too large.
    """
    items = batch.data.get("events") if isinstance(batch.data, dict) else None
    if not isinstance(items, list):
        raise EventInvalid({"events": ["Must be a list of events."]})
    if not 0 < len(items) <= max_events:
        raise EventInvalid({"events": [f"Must be 1 to {max_events} events, not {len(items)}."]})
    return [batch.part(item) for item in items]


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
        self._identity_schema = IdentitySchema()

    def parse(self, body: bytes) -> Parsed:
        """Return the value of a body.

        Raises:
            EventInvalid: the body is not JSON, or is nested too deep.
        """
        try:
            return Parsed(*strict_json.parse(body))
        except strict_json.NotStrictJson as error:
            raise EventInvalid({"_schema": [str(error)]}) from None

    def event(self, parsed: Parsed, received_at: datetime) -> Event:
        """Return the event.

        Raises:
            EventInvalid: it is not allowed.
        """
        data = parsed.checked()
        event = self._precheck(data, received_at) or self._load(data, received_at)
        return event._replace(payload=self._scrub(event.payload)) if self._scrub else event

    def identity(self, parsed: Parsed, received_at: datetime) -> Identity:
        """Return the owner of a session.

        Raises:
            EventInvalid: it is not allowed.
        """
        loaded = _loaded(self._identity_schema, parsed.checked())
        session_id, email = loaded["session_id"], loaded["email"]
        return Identity(
            identity_id=identity_id(session_id, email),
            session_id=session_id,
            email=email,
            created_at=_happened_at(loaded, received_at),
            received_at=received_at,
        )

    def _load(self, data: Any, received_at: datetime) -> Event:
        """Let the schema decide."""
        loaded = _loaded(self._schema, data)
        return Event(
            event_id=loaded.get("event_id") or new_event_id(),
            session_id=loaded["session_id"],
            event_type=loaded["event_type"],
            payload=loaded["payload"],
            email=loaded["email"],
            created_at=_happened_at(loaded, received_at),
            received_at=received_at,
        )


def _happened_at(loaded: dict[str, Any], received_at: datetime) -> datetime:
    return received_at - timedelta(milliseconds=loaded["age_ms"])


def _loaded(schema: Schema, data: Any) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise EventInvalid(messages) from None
    return loaded
