"""The records that go from a request to the store, and the outcomes that an event can have."""

from __future__ import annotations

import os
import time
import unicodedata
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from tcs_events.strict_json import dumps, loads

SESSION_ID_MAX_LENGTH = 64
EMAIL_MAX_LENGTH = 320  # 64 before the @ and 255 after it: RFC 5321, section 4.5.3.1
USER_ID_MAX_LENGTH = 255
REASON_MAX_LENGTH = 200


def new_event_id() -> UUID:
    """Return a new version 7 UUID, which begins with the time: RFC 9562, section 5.7.

    Ids of the same moment are close together in the database's index, so that adding one is cheaper
    than adding a random id.
    """
    random = int.from_bytes(os.urandom(10), "big")
    now_ms = time.time_ns() // 1_000_000
    value = now_ms << 80 | random
    value = value & ~(0xF << 76) | 7 << 76  # the version
    value = value & ~(0x3 << 62) | 0x2 << 62  # the variant
    return UUID(int=value)


class Outcome(StrEnum):
    """How an event ended. Every event that reaches the endpoint has exactly one outcome."""

    ACCEPTED = "accepted"
    """Stored: its transaction is committed."""
    DUPLICATE = "duplicate"
    """An event with this `event_id` was stored before. That one stays as it is."""
    INVALID = "invalid"
    """Refused for good: a retry cannot succeed."""
    LIMITED = "limited"
    """Not stored now: too many events came from this client or session."""
    OPTED_OUT = "opted_out"
    """Not stored: the visitor's browser asks not to be tracked."""
    BOT = "bot"
    """Not stored: a crawler sent it."""
    FAILED = "failed"
    """Not stored this time. A retry may succeed."""


Record = tuple[Any, ...]
"""What a store takes: the values of a row, without the row's own number.

An id is 32 hex digits, a JSON value is its text, and times are aware datetimes. The first value is
the id; a second record with this id is a duplicate.

It is a plain tuple of such simple values because thousands may wait for a commit, and Python's
garbage collector visits each object that could be part of a cycle, again and again.
"""


class Event(NamedTuple):
    """A validated event. The fields are the columns of `user_events`. Both times are in UTC.

    It is a tuple because one is made for every event, and a frozen dataclass takes twice as long.
    """

    event_id: UUID
    session_id: str
    event_type: str
    payload: dict[str, object]
    email: str | None
    created_at: datetime
    received_at: datetime

    @classmethod
    def of(cls, record: Record) -> Event:
        """Return the event of a record."""
        event_id, session_id, event_type, payload, *rest = record
        return cls(UUID(event_id), session_id, event_type, loads(payload), *rest)

    def record(self) -> Record:
        """Return the record of this event."""
        event_id, session_id, event_type, payload, email, created_at, received_at = self
        payload_text = dumps(payload)
        return event_id.hex, session_id, event_type, payload_text, email, created_at, received_at


class Identity(NamedTuple):
    """A link from a session to a person. The fields are the columns of `user_event_identities`."""

    identity_id: UUID
    """Made from the session and the address, so that the same link is stored once."""
    session_id: str
    email: str
    created_at: datetime
    received_at: datetime

    def record(self) -> Record:
        """Return the record of this link."""
        return self.identity_id.hex, *self[1:]


def identity_id(session_id: str, email: str) -> UUID:
    """Return the id of a link. The same session and address always give the same id."""
    return uuid5(NAMESPACE_URL, f"tcs_events:{session_id} {email}")


class UserLink(NamedTuple):
    """A link from a session to a logged-in user, with the columns of `user_event_users`."""

    link_id: UUID
    session_id: str
    user_id: str
    email: str | None
    created_at: datetime
    received_at: datetime

    def record(self) -> Record:
        """Return the record of this link."""
        return self.link_id.hex, *self[1:]


def user_link_id(session_id: str) -> UUID:
    """Return the id of the link to the user of a session.

    It is made from the session alone, so that a second user's link is a duplicate: the first
    stands, also if two processes store links at once.
    """
    return uuid5(NAMESPACE_URL, f"tcs_events:user of {session_id}")


def user_address_id(session_id: str, user_id: str, email: str) -> UUID:
    """Return the id of a link that says which address a user has, besides the session."""
    return uuid5(NAMESPACE_URL, f"tcs_events:address of user {session_id} {user_id} {email}")


def folded_address(address: str) -> str:
    """Return an address in the form in which all its spellings are equal.

    Addresses are equal if they differ only in case or in Unicode form. A mail server could treat
    such addresses as different persons, but in practice none does.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address.strip()).casefold())


class Rejection(NamedTuple):
    """A refused event. The fields are the columns of `user_event_rejections`."""

    rejection_id: UUID
    received_at: datetime
    event_type: str | None
    session_id: str | None
    email: str | None
    reason: str
    """The names of the refused fields: `event_type, payload.context`."""
    errors: dict[str, object]
    """The messages by field. They never quote what was sent."""
    size_bytes: int | None
    """The length of the event as JSON. None if it is nested too deep to be written."""
    sample: str | None
    """The event as JSON, with the addresses and long numbers of its payload replaced.

    None if it is too long, nested too deep, or not an object.
    """

    def record(self) -> Record:
        """Return the record of this refused event."""
        plain = self._replace(errors=dumps(self.errors))  # type: ignore[arg-type]
        return self.rejection_id.hex, *plain[1:]


event_type_of = itemgetter(Event._fields.index("event_type"))
"""Returns the type of an event from its record."""


def id_text(record: Record) -> str:
    """Return the id of a record as a UUID is usually written."""
    return str(UUID(record[0]))
