"""Which columns the view of an event type has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from marshmallow import Schema, fields

from tcs_events.event_types.event_type import EventType
from tcs_events.event_types.roles import fields_of

MAX_NAME_BYTES = 63
"""The longest name of PostgreSQL, in bytes. MariaDB takes 64 characters."""
MAX_COLUMNS = 500
PREFIX = "events_"
ENVELOPE = ("id", "event_id", "session_id", "email", "created_at", "received_at")
"""The columns of `user_events` that every view begins with. The last column is `payload`."""
_NUMBERS_OF_ROLES = ("result_count", "position")


class Kind(StrEnum):
    """What a column holds. A value of any other kind is NULL."""

    TEXT = "text"
    """A text; an object or a list as JSON text, and a number or true as text."""
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    """A number without loss, also one that is stored as text."""
    BOOLEAN = "boolean"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view."""

    name: str
    key: str
    """The property of the payload."""
    kind: Kind


def columns_of(event_type: EventType) -> list[ViewColumn]:
    """Return the columns for the properties of an event type.

    They are the fields of its schema. Without a schema they are those that its role and
    `break_down` name, as text, and those of `add_up`, as numbers.
    """
    kinds = dict(_declared(event_type))
    found = [(key, kind) for key, kind in kinds.items() if key and "\0" not in key][:MAX_COLUMNS]
    names = _unique((_column_name(key) for key, _ in found), taken=(*ENVELOPE, "payload"))
    return [ViewColumn(name, *each) for name, each in zip(names, found, strict=True)]


def view_names(event_types: Iterable[str]) -> dict[str, str]:
    """Return the name of the view of each event type: `events_` and the type in lower case.

    Characters that would need quotes in SQL become `_`. If that makes two names equal, each gets an
    ending that is made of its type.
    """
    types = list(event_types)
    plain = {name: PREFIX + re.sub(r"[^a-z0-9_]", "_", name.lower()) for name in types}
    clash = {name for name in types if list(plain.values()).count(plain[name]) > 1}
    return {
        name: _shortened(plain[name], name) if name in clash else _fitting(plain[name], name)
        for name in types
    }


def _declared(event_type: EventType) -> Iterator[tuple[str, Kind]]:
    if event_type.schema is not None:
        schema = event_type.schema()
        for name, field in schema.dump_fields.items():
            yield field.data_key or name, _kind(schema, field)
        return
    role = fields_of(event_type.role) if event_type.role else {}
    for name, key in role.items():
        yield key, Kind.INTEGER if name in _NUMBERS_OF_ROLES else Kind.TEXT
    for key in event_type.break_down:
        yield key, Kind.TEXT
    for key in event_type.add_up:
        yield key, Kind.DECIMAL


def _kind(schema: Schema, field: fields.Field) -> Kind:  # type: ignore[type-arg]
    """Return what a field of a schema is stored as."""
    match field:
        case fields.Boolean():
            return Kind.BOOLEAN
        case fields.Integer():
            return Kind.INTEGER
        case fields.Float() | fields.TimeDelta():
            return Kind.FLOAT
        case fields.Number():
            return Kind.DECIMAL
        case fields.Date():
            # As in marshmallow, the options of the schema hold if the field has no format.
            used = field.format or getattr(schema.opts, field.SCHEMA_OPTS_VAR_NAME, None)
            return Kind.DATE if used in (None, "iso", "iso8601") else Kind.TEXT
        case fields.DateTime() if str(field.format).startswith("timestamp"):
            return Kind.FLOAT
        case _:
            return Kind.TEXT


def _column_name(key: str) -> str:
    # MariaDB has no emoji in names.
    name = re.sub(r"[^\0-\uffff]", "_", key).strip() or "property"
    return f"payload_{name}" if name.lower() in (*ENVELOPE, "payload") else name


def _unique(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return the names, each of which differs from all others in more than case."""
    seen, unique = set(taken), []
    for place, name in enumerate(names):
        name = _fitting(name, name)
        if name.lower() in seen:
            name = _shortened(name, f"{name} {place}")
        seen.add(name.lower())
        unique.append(name)
    return unique


def _fitting(name: str, whole: str) -> str:
    return name if len(name.encode()) <= MAX_NAME_BYTES else _shortened(name, whole)


def _shortened(name: str, whole: str) -> str:
    """Return the name with an ending that is made of `whole`, cut to the longest name there is."""
    ending = "_" + sha256(whole.encode()).hexdigest()[:8]
    start = name.encode()[: MAX_NAME_BYTES - len(ending)]
    return start.decode(errors="ignore") + ending
