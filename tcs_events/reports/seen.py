"""Which properties the newest events of a type have, and with which values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import check_field
from tcs_events.counts.events import payload_of
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.models import UserEvent

EVENTS_LOOKED_AT = 300
"""How many events a form looks at. More would find hardly more properties, and take longer."""
MAX_PROPERTIES, MAX_VALUES = 60, 30
MAX_LENGTH = 80
"""Longer names and texts are not suggested: nobody picks them from a list."""
MAX_DEPTH = 3
"""How deep properties are looked for within objects."""

Seen = dict[str, list[Any]]
"""The values of each property, the most frequent first. `room.city` is the `city` in `room`."""


def newest_properties(
    connection: Connection,
    event_type: str,
    limit: int,
    times: tuple[datetime, datetime] | None = None,
) -> Iterator[list[tuple[str, Any]]]:
    """Yield the properties of each of the newest events of a type, with their values.

    They are those that a condition can name and that are not null. Lists are not looked into.

    Args:
        connection: to the events.
        event_type: their type.
        limit: the most events.
        times: the first time, and the first one that is too late; None for any time.
    """
    newest = (
        sa.select(text_of_json(UserEvent.__table__.c.payload))
        .where(UserEvent.event_type == event_type)
        .order_by(UserEvent.created_at.desc())
        .limit(limit)
    )
    if times is not None:
        start, end = times
        newest = newest.where(UserEvent.created_at >= start, UserEvent.created_at < end)
    with stream(connection, newest) as rows:
        for text in rows.scalars():
            yield list(_properties(payload_of(text)))


def seen_properties(connection: Connection, event_types: Iterable[str]) -> dict[str, Seen]:
    """Return what a form suggests: what the newest events of each type have."""
    return {
        event_type: _seen(newest_properties(connection, event_type, EVENTS_LOOKED_AT))
        for event_type in event_types
    }


def can_be_named(name: str) -> bool:
    """Return whether a condition can name a property, and an address the condition."""
    if not name.isprintable():
        return False
    try:
        check_field(name)
    except ValueError:
        return False
    return True


def _seen(events: Iterable[list[tuple[str, Any]]]) -> Seen:
    found: dict[str, Counter[tuple[type, Any]]] = {}
    for properties in events:
        for name, value in properties:
            if name in found or (len(found) < MAX_PROPERTIES and len(name) <= MAX_LENGTH):
                values = found.setdefault(name, Counter())
                if _can_be_chosen(value):
                    values[type(value), value] += 1  # in Python True == 1
    return {
        name: [value for (_, value), _ in values.most_common(MAX_VALUES)]
        for name, values in sorted(found.items())
    }


def _can_be_chosen(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_LENGTH and value.isprintable()
    return isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value))


def _properties(
    payload: Mapping[str, Any], prefix: str = "", depth: int = 1
) -> Iterator[tuple[str, Any]]:
    for key, value in payload.items():
        name = prefix + key
        if isinstance(value, dict) and value and depth < MAX_DEPTH:
            yield from _properties(value, f"{name}.", depth + 1)
        elif value is not None and can_be_named(name):
            yield name, value
