"""An event type, as a host declares it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import INCLUDE, Schema

from tcs_events.errors import ConfigError
from tcs_events.event_types.roles import Role, fields_of

NAME_MAX_LENGTH = 50
"""The width of the column."""
_NAME = re.compile(r"[\w.:-]+")
_FIELD = re.compile(r"[^\s=<>!,\[\]]([^=<>!,\[\]]*[^\s=<>!,\[\]])?")
"""A field that the condition of a funnel's step can name."""


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type that is accepted.

        EventType("room_opened", RoomPayload, role=Click(item="room_id"), help="Looked at a room.")

    Raises:
        ConfigError: something is wrong. The message says what, and the remedy.
    """

    name: str
    """At most 50 letters, digits and `_ . : -`."""
    schema: type[Schema] | None = None
    """The marshmallow schema class of its payload. None allows any payload."""
    role: Role | None = field(default=None, kw_only=True)
    """What it means for the reports, one of `tcs_events.roles`. Events without a role are counted,
    and can be steps of funnels."""
    help: str = field(default="", kw_only=True)
    """What the visitor did, for the people who read the OpenAPI document."""
    deprecated: bool = field(default=False, kw_only=True)
    """Whether no page should send it any more. It is still accepted."""

    def __post_init__(self) -> None:
        try:
            check_name(self.name)
            _check_schema(self.name, self.schema)
        except ValueError as error:
            raise ConfigError(f"EventType {error}.") from None
        if self.role is not None and not isinstance(self.role, Role):
            raise ConfigError(
                f"EventType {self.name!r} has the role {self.role!r}. Take one of"
                " tcs_events.roles, such as Click(item=...)."
            )


EventTypes = dict[str, EventType]
"""The allowlist: the declared types by their names."""


def declared(value: object, known: Mapping[str, EventType]) -> EventTypes:
    """Return the event types that a setting declares.

    Args:
        value: `EventType`s and names, in any mixture; or a dict from name to schema class or None.
        known: types whose role also holds for a bare name.

    Raises:
        ValueError: something is wrong. The text continues a sentence that begins with the key.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(
            "must be a list of event types, or a dict from event type to Schema class or None"
        )
    types: EventTypes = {}
    for item in value.items() if isinstance(value, Mapping) else value:
        if isinstance(item, EventType):
            _check_role(item)
        event_type = item if isinstance(item, EventType) else _from_name(item, known)
        if types.get(event_type.name, event_type) != event_type:
            raise ValueError(f"has the event type {event_type.name!r} in two ways")
        types[event_type.name] = event_type
    if not types:
        raise ValueError("must name at least one event type")
    return types


def _from_name(item: object, known: Mapping[str, EventType]) -> EventType:
    given: Any = item
    name, schema = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    check_name(name)
    _check_schema(name, schema)
    like = known.get(name)
    if like is None:
        return EventType(name, schema)
    return EventType(name, schema, role=like.role, help=like.help)


def check_name(name: object) -> None:
    """Check that this can be the name of an event type.

    Raises:
        ValueError: it cannot. The text continues a sentence.
    """
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(
            f"has {name!r}, but an event type may only contain letters, digits and _ . : -"
            f"{_suggestion(name)}"
        )
    if len(name) > NAME_MAX_LENGTH:
        raise ValueError(f"has {name!r}, which is longer than {NAME_MAX_LENGTH} characters")


def _check_schema(name: object, schema: object) -> None:
    if schema is not None and not (isinstance(schema, type) and issubclass(schema, Schema)):
        raise ValueError(f"has {schema!r} for {name!r}, but takes a Schema class or None")


def _check_role(event_type: EventType) -> None:
    """Check that the fields of the role can be fields, and that the schema has them.

    A role that a bare name has by itself is not checked: a host's own schema for it may have other
    fields, and its events are then left out of what needs them.
    """
    for name, key in fields_of(event_type.role).items() if event_type.role else ():
        if not (isinstance(key, str) and _FIELD.fullmatch(key)):
            raise ValueError(
                f"has {event_type.name!r} with a role whose {name} is {key!r}, but a field must not"
                " contain any of =<>!,[] or have spaces around it"
            )
    schema = event_type.schema() if event_type.schema is not None else None
    if schema is None or event_type.role is None or schema.unknown == INCLUDE:
        return  # its events may have any other field
    there_are = {field.data_key or name for name, field in schema.load_fields.items()}
    for name, key in fields_of(event_type.role).items():
        if key not in there_are:
            close = [known for known in there_are if key in known]
            close += difflib.get_close_matches(key, there_are, 1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"has {event_type.name!r} with a role whose {name} is the field {key!r}, which"
                f" {type(schema).__name__} does not have{meant}"
            )


def _suggestion(name: object) -> str:
    """Return the event type that was probably meant, as the end of a sentence."""
    word = "_".join(re.findall(r"[\w.:-]+", name)) if isinstance(name, str) else ""
    return f", such as {word.lower()[:NAME_MAX_LENGTH]!r}" if word else ""
