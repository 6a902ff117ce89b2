"""What the payloads of the declared event types may hold, as plain JSON.

The TypeScript of the types and the comparison of two releases are both made from it. Each value is
an object such as `{"kind": "text", "one_of": ["grid", "list"], "null": true}`. An object of a
payload has a name, under which `Accepted.objects` has its fields: that is how a schema contains
itself.

It says what a schema loads. What a schema dumps is of no concern here.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError, fields, missing

from tcs_events.errors import ConfigError
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.ordinary_fields import ORDINARY
from tcs_events.event_types.rules import Field, Json, add_rule, all_rules, is_literal, plain

FREE = "free-form"
"""The kind of a payload without a schema: any JSON object."""
UNKNOWN = {RAISE: "refused", EXCLUDE: "dropped", INCLUDE: "kept"}
"""What becomes of fields that a schema does not name, by its `unknown`."""


@dataclass(frozen=True, slots=True)
class About:
    """What people should know of an event type or a field."""

    help: str = ""
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the payloads of some event types may hold."""

    event_types: dict[str, Json] = field(default_factory=dict)
    """The payload of each event type."""
    objects: dict[str, Json] = field(default_factory=dict)
    """The fields of each object, and what becomes of fields that it does not name."""
    names: dict[str, str] = field(default_factory=dict)
    """The name of each event type in CamelCase. No object of another schema has it."""
    about: dict[str, About] = field(default_factory=dict)
    """What is said of each event type."""
    about_fields: dict[tuple[str, str], About] = field(default_factory=dict)
    """What is said of the fields, by object and key."""


def accepted(event_types: EventTypes, taken_names: Iterable[str] = ()) -> Accepted:
    """Return what the payloads of the declared types may hold.

    Args:
        event_types: the declared types.
        taken_names: names that no object and no event type gets.

    Raises:
        ConfigError: a field has values that cannot be known. The message names the event type, the
            field and the remedy.
    """
    return _Reader(taken_names).read(event_types)


Identity = tuple[Any, ...]


class _Reader:
    def __init__(self, taken_names: Iterable[str]) -> None:
        self._found = Accepted()
        self._taken = set(taken_names)
        self._names: dict[Identity, str] = {}
        self._path: list[str] = []

    def read(self, event_types: EventTypes) -> Accepted:
        found = self._found
        schemas = {
            name: None if each.schema is None else each.schema()
            for name, each in event_types.items()
        }
        # All event types first, so that a nested schema of the same name gets the number.
        for name, schema in schemas.items():
            found.names[name] = self._new_name(name)
            if schema is not None:
                self._names.setdefault(_identity(schema, schema.unknown), found.names[name])
        for name, schema in schemas.items():
            self._path = [name]
            each = event_types[name]
            found.about[name] = About(each.help, each.deprecated)
            found.event_types[name] = (
                {"kind": FREE} if schema is None else self._object(schema, schema.unknown)
            )
        return found

    def _new_name(self, name: str) -> str:
        words = re.split(r"[\W_]+", name)
        camel = "".join(word[:1].upper() + word[1:] for word in words)
        camel = "".join(char for char in camel if f"_{char}".isidentifier())
        if not camel.isidentifier():
            camel = f"Event{camel}"
        number, free = 1, camel
        while free in self._taken:
            number += 1
            free = f"{camel}{number}"
        self._taken.add(free)
        return free

    def _object(self, schema: Schema, unknown: str) -> Json:
        if schema.partial:
            raise self._unknown_values("a schema with `partial`", "Nested")
        identity = _identity(schema, unknown)
        if identity not in self._names:
            self._names[identity] = self._new_name(type(schema).__name__)
        name = self._names[identity]
        if name not in self._found.objects:
            described: Json = {"unknown": UNKNOWN[unknown], "fields": {}}
            self._found.objects[name] = described  # before its fields: it may contain itself
            for key, each in _loaded(schema).items():
                self._path.append(key)
                value = self._value(each)
                described["fields"][key] = (
                    {"required": True} | value if _is_required(each) else value
                )
                about = About(
                    str(each.metadata.get("description", "")), bool(each.metadata.get("deprecated"))
                )
                self._found.about_fields[name, key] = about
                self._path.pop()
            if rules := _rules_of_class(type(schema)):
                described["own_rules"] = rules
        return {"kind": "object", "of": name}

    def _value(self, each: Field) -> Json:
        described = self._kind(each)
        for rule in all_rules(each.validators):
            add_rule(described, rule, each)
        if each.allow_none:
            described["null"] = True
        return described

    def _kind(self, each: Field) -> Json:
        if "ts" in each.metadata:
            return self._own(each)
        if getattr(each, "pre_load", None):  # of a field, in marshmallow 4
            raise self._unknown_values("one with `pre_load`", type(each).__name__)
        match _class_of(each):
            case fields.List:
                return self._list(each)
            case fields.Tuple:
                return {"kind": "tuple", "items": self._items(each.tuple_fields)}  # type: ignore[attr-defined]
            case fields.Dict | fields.Mapping:
                return self._map(each)
            case fields.Nested:
                return self._nested(each)
            case fields.Pluck:
                return self._pluck(each)
            case fields.Enum:
                return self._enum(each)
            case fields.Constant if is_literal(each.constant):  # type: ignore[attr-defined]
                return {"kind": "constant", "value": each.constant}  # type: ignore[attr-defined]
            case fields.Method if not each.deserialize_method_name:  # type: ignore[attr-defined]
                return {"kind": "any"}
            case fields.Function if not each.deserialize_func:  # type: ignore[attr-defined]
                return {"kind": "any"}
            case kind if kind in ORDINARY:
                return _simple(each, kind)
        raise self._unknown_values(f"of the class {type(each).__name__}", type(each).__name__)

    def _own(self, each: Field) -> Json:
        text = each.metadata["ts"]
        if not (isinstance(text, str) and text.strip()):
            raise ConfigError(
                f"{self._where()} has {text!r} as the metadata 'ts'. Write a TypeScript type, such"
                ' as metadata={"ts": "string"}.'
            )
        return {"kind": "own", "ts": " ".join(text.split()), "class": type(each).__name__}

    def _list(self, each: Any) -> Json:
        self._path.append("[]")
        items = self._value(each.inner)
        self._path.pop()
        return {"kind": "list", "items": items}

    def _items(self, inner: Iterable[Field]) -> list[Json]:
        items = []
        for place, each in enumerate(inner):
            self._path.append(f"[{place}]")
            items.append(self._value(each))
            self._path.pop()
        return items

    def _map(self, each: Any) -> Json:
        described: Json = {"kind": "map"}
        if each.key_field is not None:
            self._path.append("(keys)")
            described["keys"] = self._value(each.key_field)
            if described["keys"]["kind"] == "any":
                described["keys"]["kind"] = "text"
            if described["keys"]["kind"] not in _KINDS_OF_TEXT:
                raise self._unknown_values("a key that is never a text", "Dict")
            self._path.pop()
        if each.value_field is not None:
            self._path.append("[]")
            described["values"] = self._value(each.value_field)
            self._path.pop()
        return described

    def _nested(self, each: Any) -> Json:
        # marshmallow itself asks in this order which of the two holds.
        nested = self._object(each.schema, each.unknown or each.schema.unknown)
        return {"kind": "list", "items": nested} if _is_many(each) else nested

    def _pluck(self, each: Any) -> Json:
        value = self._value(each.schema.fields[each.field_name])
        if _is_many(each):
            return {"kind": "list", "items": value}
        value.pop("null", None)  # Null is refused or taken before the inner field is asked.
        return value

    def _enum(self, each: Any) -> Json:
        if not each.by_value:
            return {"kind": "text", "one_of": list(each.enum.__members__)}
        described = self._value(each.field)
        described.pop("null", None)
        values = [plain(member.value) for member in each.enum if member.value is not None]
        if issubclass(each.enum, enum.Flag) or not all(map(is_literal, values)):
            raise self._unknown_values("an Enum by values that are not plain", "Enum")
        return described | {"one_of": values}

    def _where(self) -> str:
        event_type, *keys = self._path
        path = re.sub(r"\.([\[(])", r"\1", ".".join(keys))
        return f"The event type {event_type!r} has a field {path!r} that"

    def _unknown_values(self, what: str, name: str) -> ConfigError:
        return ConfigError(
            f"{self._where()} is {what}, so the values that it takes are not known. Say them in"
            f' TypeScript, in the metadata of the field: {name}(..., metadata={{"ts": "string"}}).'
        )


_COMPOSED = (
    *(fields.List, fields.Tuple, fields.Dict, fields.Mapping, fields.Nested, fields.Pluck),
    *(fields.Enum, fields.Constant, fields.Method, fields.Function),
)
_KINDS_OF_TEXT = ("text", "integer", "number", "decimal", "own")
"""Kinds that can be the key of a JSON object, which is a text."""
_LOADING = (
    *("deserialize", "_deserialize", "_validate", "_validate_missing", "_validated", "_load"),
    *("_format_num", "num_type", "_make_object_from_format", "_test_collection"),
    *("DESERIALIZATION_FUNCS", "DESERIALIZATION_CLASS"),
)
"""What a subclass would change to take other values than its base does."""


def _class_of(each: Field) -> type[Field] | None:
    """Return the field class of marshmallow that takes the same values, if there is one."""
    own = type(each)
    for kind in own.__mro__:
        if kind in ORDINARY or kind in _COMPOSED:
            same = all(getattr(own, name, None) is getattr(kind, name, None) for name in _LOADING)
            return kind if same else None
    return fields.Raw if own is fields.Field else None  # marshmallow 3 lets it be used


def _simple(each: Any, kind: type[Field]) -> Json:
    described = dict(ORDINARY[kind])
    if issubclass(kind, fields.Integer) and each.strict:
        described["strict"] = True
    if issubclass(kind, fields.Boolean):
        described |= _truth(each)
    form = getattr(each, "format", None)
    if described.get("format") in ("date", "time", "date-time") and form:
        if form in ("timestamp", "timestamp_ms") and issubclass(kind, fields.DateTime):
            described = {"kind": "timestamp"}
        elif form not in ("iso", "iso8601"):
            described["format"] = form
    if kind is fields.AwareDateTime and each.default_timezone is None:
        described["offset"] = "needed"
    if kind is fields.NaiveDateTime and each.timezone is None:
        described["offset"] = "refused"
    return described


def _truth(each: fields.Boolean) -> Json:
    """Return the values that count as true and false, if the field does not have the usual ones."""
    if not each.truthy or (True in each.truthy and False in each.falsy):
        return {}
    values = [plain(value) for value in {*each.truthy, *each.falsy} if is_literal(value)]
    return {"one_of": sorted(values, key=repr)}


def _is_required(each: Field) -> bool:
    if not each.required or not isinstance(each, fields.Constant):
        return each.required
    try:
        each.deserialize(missing)  # marshmallow 4 fills it in all the same
    except ValidationError:
        return True
    return False


def _is_many(each: Any) -> bool:
    return bool(each.many or each.schema.many)


def _loaded(schema: Schema) -> dict[str, Field]:
    return {each.data_key or name: each for name, each in schema.load_fields.items()}


def _identity(schema: Schema, unknown: str) -> Identity:
    """Return what two schemas have in common if they take the same values."""
    fields_of_it = (
        (name, _names(each, "only"), _names(each, "exclude"))
        for name, each in schema.load_fields.items()
    )
    return type(schema), unknown, frozenset(fields_of_it)


def _names(each: Field, option: str) -> frozenset[str] | None:
    names = getattr(each, option, None)
    return None if names is None else frozenset(names)


def _rules_of_class(schema_class: type[Schema]) -> list[str]:
    """Return the names of the methods by which a schema changes or refuses what it is given."""
    tags = {"pre_load", "post_load", "validates", "validates_schema"}
    found = []
    for name in dir(schema_class):
        method = getattr(schema_class, name, None)
        # Named otherwise in marshmallow 3, where a tag may come with whether it gets many.
        hooks = getattr(method, "__marshmallow_hook__", None) or getattr(
            method, "_marshmallow_hook", None
        )
        if hooks and tags & {tag if isinstance(tag, str) else tag[0] for tag in hooks}:
            found.append(name)
    return found
