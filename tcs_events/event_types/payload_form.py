"""What is stored of a payload with a schema: what the schema loads and then dumps, as JSON.

A schema is looked through once, when the app starts. Most have plain fields, whose dump is what was
loaded: they are not dumped.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, missing

from tcs_events import strict_json
from tcs_events.errors import NOT_ALLOWED, REQUIRED, TYPE, UNPLANNED, Message
from tcs_events.event_types.json_values import MAX_EXPONENT, NotJson, as_json

_PLAIN_TYPES: dict[type, tuple[type, ...]] = {
    fields.String: (str,),
    fields.Email: (str,),
    fields.Url: (str,),
    fields.Integer: (int,),
    fields.Float: (float,),
    fields.Boolean: (bool,),
    fields.Raw: (str, int, bool),
    fields.Dict: (),
    fields.List: (),
    fields.Nested: (),
}
"""The fields that dump what they have loaded, and the types of a default for which that is so."""
_OWN_CODES = {"required": REQUIRED, "validator_failed": NOT_ALLOWED}
"""The codes of marshmallow's own errors, by its keys. All others mean a wrong type."""


class SchemaFailed(Exception):
    """A schema raised something that is not a ValidationError, or its dump is not JSON.

    This is a mistake in the schema or its hooks, and not in the payload.
    """

    def __init__(self, event_type: str, schema: str, error: Exception) -> None:
        super().__init__(f"The schema of {event_type} failed: {type(error).__name__}.")
        self.event_type = event_type
        self.schema = schema
        self.reason = str(error) if isinstance(error, NotJson) else type(error).__name__
        """What went wrong. It is not the error's text, which may quote the payload."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        self.where = f"{frame.filename}:{frame.lineno}"


class PayloadForm:
    """Makes what is stored of the payloads of one event type.

    Args:
        event_type: its name, for `SchemaFailed`.
        schema: the schema of its payload.
        max_bytes: the most bytes of JSON to store. Defaults can make a payload longer than it was
            sent. None is without limit.

    Raises:
        Exception: the schema, or one within it, cannot be made.
    """

    def __init__(self, event_type: str, schema: type[Schema], max_bytes: int | None = None) -> None:
        self._event_type = event_type
        self._max_bytes = max_bytes
        self._survey = _Survey()
        self._schema = self._survey.own(schema())

    def stored(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return what is stored of a payload, and leave the payload as it is.

        Raises:
            ValidationError: the payload is not allowed.
            SchemaFailed: the schema is at fault.
        """
        try:
            return self._stored(payload)
        except ValidationError:
            raise
        except Exception as error:
            raise SchemaFailed(self._event_type, type(self._schema).__name__, error) from error

    def _stored(self, payload: dict[str, Any]) -> dict[str, Any]:
        survey = self._survey
        if survey.is_plain:
            plain: dict[str, Any] = self._schema.load(payload)
            if survey.may_grow:
                self._check(plain)
            return plain
        # A copy, because a pre_load hook may change what it gets.
        loaded = self._schema.load(as_json(payload))
        if loaded is None:
            raise NotJson("a post_load hook returned None")
        dumped = self._schema.dump(loaded)
        if survey.keeps_unknown:
            _put_back(self._schema, None, loaded, dumped)
        stored = as_json(dumped)
        if type(stored) is not dict:
            raise NotJson(f"the dump is a {type(dumped).__name__}, not a dict")
        self._check(stored)
        return stored

    def _check(self, stored: dict[str, Any]) -> None:
        """Check a payload as it is checked when it is sent: a schema may make any value of it."""
        try:
            strict_json.check([stored])  # in an event, which is the first level
        except strict_json.NotStrictJson as error:
            raise ValidationError(Message(error, NOT_ALLOWED)) from None
        if (
            self._max_bytes is not None
            and len(strict_json.dumps(stored).encode()) > self._max_bytes
        ):
            text = f"With its defaults it is longer than {self._max_bytes} bytes."
            raise ValidationError(Message(text, NOT_ALLOWED))


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


# Not `Field[Any]`, because fields are not generic in marshmallow 3.
class _TakenName(fields.Field):  # type: ignore[type-arg]
    """Refuses a field that would be taken for another one.

    With `unknown = INCLUDE`, marshmallow puts unknown fields where it puts the loaded ones. There a
    field has its Python name. What was sent under that name would replace the value of the field
    unchecked if the field is sent under another name (`data_key`), or not at all (`dump_only`).
    """

    def deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if value is not missing:
            raise ValidationError(Message("Unknown field.", UNPLANNED))
        return value


class _Survey:
    """What is found in a schema and in the schemas within it."""

    def __init__(self) -> None:
        self.is_plain = True
        """Whether the dump is what was loaded."""
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
        self._around[identity] = schema
        for name, field in copies.items():
            self._own_field(field)
            self.is_plain = self.is_plain and _is_plain(field, name)
        self.is_plain = self.is_plain and _has_no_code(schema)
        give_codes(schema)
        if (unknown or schema.unknown) == INCLUDE:
            self.keeps_unknown = True
            for name in _taken_names(schema):
                schema.load_fields[f"{name} is taken"] = _TakenName(data_key=name)
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
            field.validators = [*field.validators, _check_number]

    def _inner(self, field: fields.Field[Any]) -> fields.Field[Any]:
        field = copy.copy(field)
        self._own_field(field)
        return field

    def _own_nested(self, field: fields.Nested) -> None:
        schema = field.schema
        around = self._around.get(_identity(schema, field.unknown))
        if around is not None:  # The schema contains itself, without an end.
            field._schema = around
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


def _has_no_code(schema: Schema) -> bool:
    """Return whether a schema has no hooks, and loads and dumps as marshmallow does."""
    kind = type(schema)
    return (
        not any(schema._hooks.values())
        and schema.dict_class is dict
        and kind.load is Schema.load
        and kind.dump is Schema.dump
        and kind.get_attribute is Schema.get_attribute
    )


def _is_plain(field: fields.Field[Any], name: str) -> bool:
    """Return whether a field of a schema dumps what it has loaded, under the same name."""
    return (
        "." not in name
        and field.attribute in (None, name)
        and field.data_key in (None, name)
        and not field.load_only
        and field.dump_default is missing
        and _has_plain_default(field)
        and _is_plain_value(field)
    )


def _has_plain_default(field: fields.Field[Any]) -> bool:
    default = field.load_default
    if default is missing or default is None or default is dict or default is list:
        return True
    return type(default) in _PLAIN_TYPES.get(type(field), ())


def _is_plain_value(field: fields.Field[Any] | None) -> bool:
    kind = type(field)  # Not isinstance: a subclass may dump anything.
    if field is None:
        return True
    if kind not in _PLAIN_TYPES or getattr(field, "post_load", None):
        return False
    if isinstance(field, fields.List):
        return _is_plain_value(field.inner)
    if isinstance(field, fields.Dict):
        names = field.key_field
        return (names is None or type(names) is fields.String) and _is_plain_value(
            field.value_field
        )
    return not getattr(field, "as_string", False)


def _taken_names(schema: Schema) -> Iterable[str]:
    """Return the names, sorted, under which something else than a sent field is found."""
    inside = {_attribute(name, field) for name, field in schema.fields.items()}
    inside |= {field.data_key or name for name, field in schema.dump_fields.items()}
    sent = {field.data_key or name for name, field in schema.load_fields.items()}
    return sorted(inside - sent)


def _attribute(name: str, field: fields.Field[Any]) -> str:
    return (field.attribute or name).partition(".")[0]


def _check_number(number: object) -> None:
    """Check that every reader of a stored number reads the same, and that it is not too long."""
    most = strict_json.MAX_NUMBER
    if isinstance(number, int | float) and not -most <= number <= most:
        raise ValidationError(Message(f"Must be between -{most} and {most}.", NOT_ALLOWED))
    # 1E+999999999 is short, and would be written with a billion zeros.
    if isinstance(number, Decimal) and abs(number.adjusted()) > MAX_EXPONENT:
        raise ValidationError(Message(f"Must have at most {MAX_EXPONENT} digits.", NOT_ALLOWED))


def _put_back(schema: Schema, unknown: str | None, loaded: Any, dumped: Any) -> None:
    """Add to a dump the unknown fields that the schemas have kept, for dumps leave them out."""
    if isinstance(loaded, list | tuple) and isinstance(dumped, list):
        for item, dumped_item in zip(loaded, dumped, strict=False):
            _put_back(schema, unknown, item, dumped_item)
    if not (isinstance(loaded, dict) and isinstance(dumped, dict)):
        return  # A hook has made something else of it.
    if (unknown or schema.unknown) == INCLUDE:
        known = {_attribute(name, field) for name, field in schema.load_fields.items()}
        for name in loaded.keys() - known:
            dumped.setdefault(name, loaded[name])
    for name, field in schema.dump_fields.items():
        key, attribute = field.data_key or name, field.attribute or name
        if attribute in loaded and key in dumped:
            _put_back_in(field, loaded[attribute], dumped[key])


def _put_back_in(field: fields.Field[Any], loaded: Any, dumped: Any) -> None:
    if isinstance(field, fields.Nested) and not isinstance(field, fields.Pluck):
        _put_back(field.schema, field.unknown, loaded, dumped)
    elif isinstance(field, fields.List) and isinstance(loaded, list) and isinstance(dumped, list):
        for item, dumped_item in zip(loaded, dumped, strict=False):
            _put_back_in(field.inner, item, dumped_item)
    elif isinstance(field, fields.Tuple) and isinstance(loaded, tuple):
        for inner, item, dumped_item in zip(field.tuple_fields, loaded, dumped, strict=False):
            _put_back_in(inner, item, dumped_item)
    elif isinstance(field, fields.Mapping) and field.value_field and isinstance(loaded, dict):
        for item, dumped_item in zip(loaded.values(), dumped.values(), strict=False):
            _put_back_in(field.value_field, item, dumped_item)
