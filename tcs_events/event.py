"""An event on its way from the request to the store, and how that way can end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Outcome(StrEnum):
    """How an event ended. Every event that reaches the endpoint ends as exactly one of these."""

    ACCEPTED = "accepted"
    """Stored, and safely so: the transaction that holds it is committed."""
    DUPLICATE = "duplicate"
    """An event with this `event_id` had been stored before; that first one stands."""
    INVALID = "invalid"
    """Refused for good."""
    FAILED = "failed"
    """Not stored this time; sending it again may succeed."""


@dataclass(frozen=True, slots=True)
class Event:
    """A validated event. The fields are the columns of `user_events`; both times are in UTC."""

    event_id: UUID
    session_id: str
    event_type: str
    payload: dict[str, object]
    email: str | None
    created_at: datetime
    received_at: datetime
