"""What is on its way from a request to the store, and how that way can end."""

from __future__ import annotations

import os
import time
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

SESSION_ID_MAX_LENGTH = 64
EMAIL_MAX_LENGTH = 320  # 64 before the @ and 255 after it: RFC 5321, section 4.5.3.1
REASON_MAX_LENGTH = 200


def new_event_id() -> UUID:
    """Return a version 7 UUID, which begins with the time: RFC 9562, section 5.7.

    Ids that come in order are neighbours in the database's index, and cost it less.
    """
    random = int.from_bytes(os.urandom(10), "big")
    now_ms = time.time_ns() // 1_000_000
    value = now_ms << 80 | random
    value = value & ~(0xF << 76) | 7 << 76  # the version
    value = value & ~(0x3 << 62) | 0x2 << 62  # the variant
    return UUID(int=value)


class Outcome(StrEnum):
    """How an event ended. Every event that reaches the endpoint ends as exactly one of these."""

    ACCEPTED = "accepted"
    """Stored, and safely so: the transaction that holds it is committed."""
    DUPLICATE = "duplicate"
    """An event with this `event_id` had been stored before; that first one stands."""
    INVALID = "invalid"
    """Refused for good."""
    LIMITED = "limited"
    """Not taken now, for too many have come from the same client or session."""
    OPTED_OUT = "opted_out"
    """Not stored: the visitor's browser says that it does not want to be tracked."""
    BOT = "bot"
    """Not stored: a crawler sent it."""
    FAILED = "failed"
    """Not stored this time; sending it again may succeed."""


class Event(NamedTuple):
    """A validated event. The fields are the columns of `user_events`; both times are in UTC.

    A tuple, because it is made for every event and a frozen dataclass takes twice as long to make.
    """

    event_id: UUID
    session_id: str
    event_type: str
    payload: dict[str, object]
    email: str | None
    created_at: datetime
    received_at: datetime


class Identity(NamedTuple):
    """Who a session belongs to, as a browser has said. The fields are those of its table."""

    identity_id: UUID
    """Made of the session and the address, so that the same link is stored once."""
    session_id: str
    email: str
    created_at: datetime
    received_at: datetime


def identity_id(session_id: str, email: str) -> UUID:
    """Return the id of a link: the same one for the same session and address."""
    return uuid5(NAMESPACE_URL, f"tcs_events:{session_id} {email}")


class Rejection(NamedTuple):
    """An event that was refused. The fields are the columns of `user_event_rejections`."""

    rejection_id: UUID
    received_at: datetime
    event_type: str | None
    session_id: str | None
    email: str | None
    reason: str
    """The fields that were refused: `event_type, payload.context`."""
    errors: dict[str, object]
    """Why, by field. It quotes nothing that was sent."""
    size_bytes: int | None
    """How long its JSON is; None where it is nested too deep to be written."""
    sample: str | None
    """The event as JSON, without addresses and long numbers; None where it is too long."""


Record = Event | Identity | Rejection
"""What a store keeps. The first field is its id: a second one of the same id is a duplicate."""
