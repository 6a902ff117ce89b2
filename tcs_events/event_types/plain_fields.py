"""Plain fields, whose dump is what was loaded, and a fast way to load most payloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, missing

from tcs_events.event_types.json_values import as_json

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
_KINDS: dict[type, type] = {
    fields.String: str,
    fields.Email: str,
    fields.Url: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Boolean: bool,
}
"""The fields that load a value of this type as it is, if their validators take it."""


_DUMPED = {
    fields.Decimal,
    fields.UUID,
    fields.Date,
    fields.DateTime,
    fields.NaiveDateTime,
    fields.AwareDateTime,
    fields.Time,
    fields.TimeDelta,
    fields.IP,
    fields.IPv4,
    fields.IPv6,
    fields.Enum,
}
"""The fields that dump something else than they have loaded, and always what JSON can hold."""


def has_no_code(schema: Schema) -> bool:
    """Return whether a schema has no hooks, and loads and dumps as marshmallow does."""
    kind = type(schema)
    return (
        not any(schema._hooks.values())
        and schema.dict_class is dict
        and kind.load is Schema.load
        and kind.dump is Schema.dump
        and kind.get_attribute is Schema.get_attribute
    )


def is_plain(field: fields.Field[Any], name: str) -> bool:
    """Return whether a field of a schema dumps what it has loaded, under the same name."""
    return _is_stored_by_name(field, name) and _has_plain_default(field) and _is_plain_value(field)


def is_quick(field: fields.Field[Any], name: str) -> bool:
    """Return whether `QuickLoad` can load a field, if all schemas within it are plain."""
    return is_plain(field, name) or (_is_stored_by_name(field, name) and _is_dumped(field))


def _is_stored_by_name(field: fields.Field[Any], name: str) -> bool:
    return (
        "." not in name
        and field.attribute in (None, name)
        and field.data_key in (None, name)
        and not field.load_only
        and field.dump_default is missing
    )


def _is_dumped(field: fields.Field[Any]) -> bool:
    if type(field) not in _DUMPED or getattr(field, "post_load", None):
        return False
    if isinstance(field, fields.Enum) and field.by_value:
        return field.by_value is True and all(type(each.value) is str for each in field.enum)
    return True


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


class QuickLoad:
    """Loads and dumps most payloads, up to eight times as fast as the schema.

    It returns what the schema would load and dump. If the schema would refuse the payload, or
    might, it returns None: then the schema decides, and words the errors. A property test compares
    the two.

    Args:
        schema: a schema whose fields are all quick.
        is_right: a validator that is not needed for a number as it was sent.
    """

    def __init__(self, schema: Schema, is_right: Callable[[object], None]) -> None:
        self._unknown = schema.unknown
        self._rows = [
            (
                field.data_key or name,
                _kind(field),
                [rule for rule in field.validators if rule is not is_right],
                type(field) in _DUMPED,
                field,
            )
            for name, field in schema.load_fields.items()
        ]
        self._names = frozenset(name for name, *_ in self._rows)

    def __call__(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the schema loads and dumps. None if the schema must decide."""
        stored: dict[str, Any] = {}
        get, sent = payload.get, 0
        for name, kind, rules, is_dumped, field in self._rows:
            value = get(name, missing)
            sent += value is not missing
            try:
                if type(value) is kind:
                    for rule in rules:
                        if rule(value) is False:  # marshmallow 3 refuses then
                            return None
                else:
                    value = field.deserialize(value, name, payload)
                    if value is missing:
                        continue
            except ValidationError:
                return None
            stored[name] = as_json(field.serialize(name, {name: value})) if is_dumped else value
        if sent != len(payload):
            if self._unknown == RAISE:
                return None
            if self._unknown == INCLUDE:
                stored |= {name: payload[name] for name in payload if name not in self._names}
        return stored


def _kind(field: fields.Field[Any]) -> type | None:
    """Return the type of the values that need only the validators. None if there is none."""
    if getattr(field, "pre_load", None):
        return None
    if isinstance(field, fields.Boolean):
        yes, no = field.truthy, field.falsy  # A host may have its own words.
        return bool if True in yes and False in no and False not in yes else None
    return _KINDS.get(type(field))
