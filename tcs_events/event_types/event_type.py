"""An event type, as a host declares it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import INCLUDE, Schema, fields

from tcs_events.errors import ConfigError
from tcs_events.event_types.payload_form import PayloadForm
from tcs_events.event_types.roles import Role, fields_of

NAME_MAX_LENGTH = 50
"""The width of the column."""
_NAME = re.compile(r"[\w.:-]+")
_FIELD = re.compile(r"[^\s=<>!,\[\]]([^=<>!,\[\]]*[^\s=<>!,\[\]])?")
"""A field that the condition of a funnel's step can name."""
_NO_NUMBERS = (
    fields.String,
    fields.Boolean,
    fields.UUID,
    fields.Enum,
    fields.Date,
    fields.DateTime,
    fields.Time,
    fields.List,
    fields.Tuple,
    fields.Mapping,
    fields.Nested,
    fields.IP,
    fields.IPInterface,
)
"""The fields that never hold a number. A class of the host's own may."""


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
    """The marshmallow schema class of its payload. What it loads and then dumps is stored: defaults
    are filled in, and texts become numbers where the schema says so. None stores any payload as it
    was sent."""
    role: Role | None = field(default=None, kw_only=True)
    """What it means for the reports, one of `tcs_events.roles`. Events without a role are counted,
    and can be steps of funnels."""
    break_down: tuple[str, ...] = field(default=(), kw_only=True)
    """The properties that a report may break this type down by, such as a plan."""
    add_up: tuple[str, ...] = field(default=(), kw_only=True)
    """The properties whose numbers a report may add up, such as a price. If there is a schema,
    they are number fields of it."""
    help: str = field(default="", kw_only=True)
    """What the visitor did, for the people who read the OpenAPI document."""
    deprecated: bool = field(default=False, kw_only=True)
    """Whether no page should send it any more. It is still accepted."""

    def __post_init__(self) -> None:
        try:
            check_name(self.name)
            _check_schema(self.name, self.schema)
            for option in ("break_down", "add_up"):
                names = _names(self.name, option, getattr(self, option))
                object.__setattr__(self, option, names)  # the dataclass is frozen
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
        event_type = item if isinstance(item, EventType) else _from_name(item, known)
        _check_can_be_made(event_type)
        if isinstance(item, EventType):
            _check_fields(item)
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


def _names(event_type: str, option: str, names: object) -> tuple[str, ...]:
    found = tuple(names) if isinstance(names, Iterable) else None
    if isinstance(names, str) or found is None or not all(isinstance(name, str) for name in found):
        raise ValueError(
            f"has {event_type!r} with {option}={names!r}, but takes the names of payload fields,"
            f" such as {option}=('price',)"
        )
    return found


def _check_can_be_made(event_type: EventType) -> None:
    """Check that the schema, and the schemas within it, can be made.

    Some are found by name only now. Otherwise the first event would find the mistake.
    """
    if event_type.schema is None:
        return
    try:
        PayloadForm(event_type.name, event_type.schema)
    except Exception as error:
        raise ValueError(
            f"has {event_type.name!r} with the schema {event_type.schema.__name__}, which cannot be"
            f" made: {type(error).__name__}: {error}"
        ) from error


def _check_fields(event_type: EventType) -> None:
    """Check that what the type names can be fields, and that the schema stores them.

    The role that a bare name has by itself is not checked: a host's own schema for it may have
    other fields, and its events are then left out of what needs them.
    """
    role = fields_of(event_type.role) if event_type.role else {}
    named: list[tuple[str, str]] = [(f"a role whose {key} is", role[key]) for key in role]
    named += [("break_down by", key) for key in event_type.break_down]
    named += [("add_up of", key) for key in event_type.add_up]
    for what, key in named:
        if not (isinstance(key, str) and _FIELD.fullmatch(key)):
            raise ValueError(
                f"has {event_type.name!r} with {what} {key!r}, but a field must not contain any of"
                " =<>!,[] or have spaces around it"
            )
    if event_type.schema is None:
        return
    schema = event_type.schema()
    stored = {field.data_key or name: field for name, field in schema.dump_fields.items()}
    for what, key in named:
        # Its events may have any other field.
        if key not in stored and schema.unknown != INCLUDE:
            raise ValueError(
                f"has {event_type.name!r} with {what} the field {key!r}, which"
                f" {type(schema).__name__} does not store{_meant(key, stored)}"
            )
    for key in event_type.add_up:
        if isinstance(stored.get(key), _NO_NUMBERS):
            numbers = [name for name, each in stored.items() if not isinstance(each, _NO_NUMBERS)]
            raise ValueError(
                f"has {event_type.name!r} with add_up of the field {key!r}, which"
                f" {type(schema).__name__} does not store as a number{_meant(key, numbers)}"
            )


def _meant(key: str, there_are: Iterable[str]) -> str:
    """Return the field that was probably meant, as the end of a sentence."""
    close = [known for known in there_are if key in known]
    close += difflib.get_close_matches(key, there_are, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _suggestion(name: object) -> str:
    """Return the event type that was probably meant, as the end of a sentence."""
    word = "_".join(re.findall(r"[\w.:-]+", name)) if isinstance(name, str) else ""
    return f", such as {word.lower()[:NAME_MAX_LENGTH]!r}" if word else ""
