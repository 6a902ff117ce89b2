"""Which properties events have, and with which values: what a form suggests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.database.stored_json import read_columns
from tcs_events.models import UserEvent

EVENTS_LOOKED_AT = 300
"""The newest events of a type that are looked at. More would find hardly more, and take longer."""
MAX_PROPERTIES, MAX_VALUES = 60, 30
MAX_LENGTH = 80
"""Longer names and texts are not suggested: nobody picks them from a list."""
MAX_DEPTH = 3

Seen = dict[str, list[Any]]
"""The values of each property, the most frequent first. `room.city` is the `city` in `room`."""


def seen_properties(connection: Connection, event_types: Iterable[str]) -> dict[str, Seen]:
    """Return what the newest events of each type have. Lists are not looked into."""
    return {
        event_type: _seen(
            connection.scalars(
                sa.select(*read_columns(UserEvent.__table__, ["payload"]))
                .where(UserEvent.event_type == event_type)
                .order_by(UserEvent.created_at.desc())
                .limit(EVENTS_LOOKED_AT)
            )
        )
        for event_type in event_types
    }


def _seen(payloads: Iterable[Any]) -> Seen:
    found: dict[str, Counter[tuple[type, Any]]] = {}
    for payload in payloads:
        if isinstance(payload, dict):
            for name, value in _properties(payload):
                if name in found or len(found) < MAX_PROPERTIES:
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
        if len(name) > MAX_LENGTH:
            continue
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from _properties(value, f"{name}.", depth + 1)
        else:
            yield name, value
