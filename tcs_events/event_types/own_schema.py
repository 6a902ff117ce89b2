"""A copy of a host's schema that is ours to change, and what is found in it.

The copy's messages have codes, and its numbers are checked: they must be ones that JSON can hold.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, missing

from tcs_events.errors import NOT_ALLOWED, REQUIRED, TYPE, UNPLANNED, Message
from tcs_events.event_types.json_values import MAX_EXPONENT
from tcs_events.event_types.plain_fields import has_no_code, is_plain, is_quick
from tcs_events.event_types.unknown_fields import TakenName, taken_names
from tcs_events.strict_json import MAX_NUMBER

_OWN_CODES = {"required": REQUIRED, "validator_failed": NOT_ALLOWED}
"""The codes of marshmallow's own errors, by its keys. All others mean a wrong type."""


def give_codes(schema: Schema) -> None:
    """Give the messages of a schema's own fields, and of the schema, their codes."""
    schema.error_messages = _coded(schema.error_messages, {"unknown": UNPLANNED})
    for field in schema.fields.values():
        _give_field_codes(field)


def _give_field_codes(field: fields.Field[Any]) -> None:
    # A field's key "unknown" is that of an Enum, whose list does not have the value.
    own = {"unknown": NOT_ALLOWED} if isinstance(field, fields.Enum) else {}
    field.error_messages = _coded(field.error_messages, _OWN_CODES | own)


def _coded(messages: Mapping[str, Any], codes: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: message
        if isinstance(message, dict | list)
        else _with_code(message, codes.get(key, TYPE))
        for key, message in messages.items()
    }


def _with_code(message: object, code: str) -> object:
    return Message(message, code) if isinstance(message, str) else _LazyMessage(message, code)


class _LazyMessage:
    """A message that becomes a text when it is needed, such as a translation."""

    def __init__(self, message: object, code: str) -> None:
        self._message = message
        self.code = code

    def __str__(self) -> str:
        return str(self._message)


class Survey:
    """What is found in a schema and in the schemas within it."""

    def __init__(self) -> None:
        self.is_quick = True
        """Whether `QuickLoad` can load and dump it. Within other schemas, all is plain then."""
        self.keeps_unknown = False
        """Whether a field that is unknown may be kept."""
        self.may_grow = False
        """Whether defaults of list items can make a payload many times as long."""
        self._around: dict[object, Schema] = {}

    def own(self, schema: Schema, unknown: str | None = None) -> Schema:
        """Return a copy of a schema that is ours to change, and look through it."""
        # Fields are shared by all copies of a schema's instance, which may be the host's.
        schema = copy.copy(schema)
        copies = {name: copy.copy(field) for name, field in schema.fields.items()}
        schema.fields = copies
        schema.load_fields = {name: copies[name] for name in schema.load_fields}
        schema.dump_fields = {name: copies[name] for name in schema.dump_fields}
        identity = _identity(schema, unknown)
        is_right = is_plain if self._around else is_quick
        self._around[identity] = schema
        for name, field in copies.items():
            self._own_field(field)
            self.is_quick = self.is_quick and is_right(field, name)
        self.is_quick = self.is_quick and has_no_code(schema)
        give_codes(schema)
        if (unknown or schema.unknown) == INCLUDE:
            self.keeps_unknown = True
            for name in taken_names(schema):
                schema.load_fields[f"{name} is taken"] = TakenName(data_key=name)
        del self._around[identity]
        return schema

    def _own_field(self, field: fields.Field[Any]) -> None:
        _give_field_codes(field)
        if isinstance(field, fields.Nested):
            self._own_nested(field)
        elif isinstance(field, fields.List):
            field.inner = self._inner(field.inner)
        elif isinstance(field, fields.Mapping):
            field.key_field = field.key_field and self._inner(field.key_field)
            field.value_field = field.value_field and self._inner(field.value_field)
        elif isinstance(field, fields.Tuple):
            field.tuple_fields = [self._inner(inner) for inner in field.tuple_fields]
        elif isinstance(field, fields.Enum):
            field.field = self._inner(field.field)
        elif isinstance(field, fields.Number):
            if isinstance(field, fields.Float | fields.Decimal):
                field.allow_nan = False  # NaN and Infinity are not JSON
            field.validators = [*field.validators, check_number]

    def _inner(self, field: fields.Field[Any]) -> fields.Field[Any]:
        field = copy.copy(field)
        self._own_field(field)
        return field

    def _own_nested(self, field: fields.Nested) -> None:
        schema = field.schema
        around = self._around.get(_identity(schema, field.unknown))
        if around is not None:  # The schema contains itself, without an end.
            field._schema = around
            self.is_quick = False  # It was only looked at as the outermost one.
            return
        self.may_grow = self.may_grow or any(
            inner.load_default is not missing for inner in schema.fields.values()
        )
        field._schema = self.own(schema, field.unknown)


def _identity(schema: Schema, unknown: str | None) -> object:
    """Return a value that two schemas have in common if they load and dump alike."""
    parts = [
        (name, getattr(field, "only", None), getattr(field, "exclude", None))
        for name, field in schema.fields.items()
    ]
    shown = frozenset(
        (name, None if only is None else frozenset(only), frozenset(exclude or ()))
        for name, only, exclude in parts
    )
    directions = frozenset(schema.load_fields), frozenset(schema.dump_fields)
    return type(schema), schema.many, unknown or schema.unknown, shown, directions


def check_number(number: object) -> None:
    """Check that every reader of a stored number reads the same, and that it is not too long."""
    most = MAX_NUMBER
    if isinstance(number, int | float) and not -most <= number <= most:
        raise ValidationError(Message(f"Must be between -{most} and {most}.", NOT_ALLOWED))
    # 1E+999999999 is short, and would be written with a billion zeros.
    if isinstance(number, Decimal) and abs(number.adjusted()) > MAX_EXPONENT:
        text = f"Its first digit must be within {MAX_EXPONENT} places of the point."
        raise ValidationError(Message(text, NOT_ALLOWED))
