"""Translates marshmallow schemas into JSON Schema, so that clients know what they may send.

https://json-schema.org/draft/2020-12. The result may allow less than marshmallow accepts, such as
"5" for an integer that is not strict. A field or a validator that is not one of marshmallow's own
is left open.

apispec's translation would differ from what the endpoint takes. It makes an exclusive bound
inclusive, takes a subclass of `String` for text, copies patterns that only Python reads, writes an
invalid `"pattern": null` for a date of the host's own format, and leaves out the rules of an `And`
and of the keys of a `Dict`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import RAISE, Schema, fields, missing, validate

from tcs_events.event_types.ordinary_fields import ORDINARY
from tcs_events.event_types.rules import all_rules

JsonSchema = dict[str, Any]

_TYPES = {"text": "string", "integer": "integer", "number": "number", "boolean": "boolean"}
"""The type of each kind of value that has only one."""
_FORMATS = ("uuid", "date", "date-time", "ipv4", "ipv6")
"""The formats that JSON Schema has, too. Its times need an offset."""
_COPIED_METADATA = ("title", "description", "examples", "deprecated", "format", "maxLength")
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
# Syntax that ECMAScript does not have, or that means something else there.
_PYTHON_ONLY = re.compile(r"\(\?[^:=!]|\\[AZzbBwWdDsSNpP]|[*+?}]\+|\(\?<")


def json_schema(schema: Schema) -> JsonSchema:
    """Return the JSON Schema for the values that a marshmallow schema loads.

    A field's `metadata` may have a title, description, examples, deprecated, format and maxLength.
    They are copied. A schema that contains itself is left open where it begins again.
    """
    return _of_schema(schema, ())


Parents = tuple[tuple[type[Schema], frozenset[str]], ...]
"""The schemas around a field, by class and fields: they show when a schema contains itself."""


def _of_schema(schema: Schema, parents: Parents) -> JsonSchema:
    identity = (type(schema), frozenset(schema.fields))
    if identity in parents:
        return {"type": "object"}
    parents = (*parents, identity)
    loaded = {field.data_key or name: field for name, field in schema.load_fields.items()}
    result: JsonSchema = {
        "type": "object",
        "properties": {name: _of_field(field, parents) for name, field in loaded.items()},
    }
    if required := [name for name, field in loaded.items() if field.required]:
        result["required"] = required
    if schema.unknown == RAISE:
        result["additionalProperties"] = False
    return result


def _of_field(field: fields.Field[Any], parents: Parents) -> JsonSchema:
    result = _of_type(field, parents)
    for rule in all_rules(field.validators):
        result |= _of_rule(rule, result)
    if field.allow_none:
        result = _or_null(result)
    result |= {key: field.metadata[key] for key in _COPIED_METADATA if key in field.metadata}
    default = field.load_default() if field.load_default in (dict, list) else field.load_default
    # Any other callable may return something new each time, such as an id.
    if default is not missing and not callable(default) and _is_json(default):
        result["default"] = default
    return result


def _of_type(field: fields.Field[Any], parents: Parents) -> JsonSchema:
    kind = type(field)  # Not isinstance: a subclass may load anything.
    if getattr(field, "format", None) not in (None, "iso", "iso8601"):
        return {}  # A date in a format of the host's own.
    if kind in ORDINARY:
        return _of_ordinary(kind)
    if kind is fields.List:
        return {"type": "array", "items": _of_field(field.inner, parents)}  # type: ignore[attr-defined]
    if kind is fields.Dict:
        return _of_dict(field, parents)  # type: ignore[arg-type]
    if kind is fields.Nested:
        nested = _of_schema(field.schema, parents)  # type: ignore[attr-defined]
        many = field.many or field.schema.many  # type: ignore[attr-defined]
        return {"type": "array", "items": nested} if many else nested
    if kind is fields.Enum:
        return _of_enum(field)  # type: ignore[arg-type]
    return {}


def _of_ordinary(kind: type[fields.Field[Any]]) -> JsonSchema:
    described = ORDINARY[kind]
    if described["kind"] not in _TYPES:
        return {}
    result = {"type": _TYPES[described["kind"]]}
    # A naive time has no offset, and a date-time of JSON Schema needs one.
    if described.get("format") in _FORMATS and kind is not fields.NaiveDateTime:
        result["format"] = described["format"]
    return result


def _of_dict(field: fields.Dict, parents: Parents) -> JsonSchema:
    result: JsonSchema = {"type": "object"}
    if field.value_field is not None:
        result["additionalProperties"] = _of_field(field.value_field, parents)
    if field.key_field is not None:
        names = _of_field(field.key_field, parents)
        if set(names) - {"type"}:
            result["propertyNames"] = names
    return result


def _of_enum(field: fields.Enum[Any]) -> JsonSchema:
    if not field.by_value:
        return {"enum": list(field.enum.__members__)}
    values = [member.value for member in field.enum]
    return {"enum": values} if _is_json(values) else {}


def _of_rule(rule: Callable[..., Any], field_schema: Mapping[str, Any]) -> JsonSchema:
    match rule:
        case validate.Length():
            return _of_length(rule, field_schema)
        case validate.Range() if field_schema.get("type") in ("integer", "number"):
            return _of_range(rule)
        case validate.OneOf():
            choices = list(rule.choices)
            return {"enum": choices} if _is_json(choices) else {}
        case validate.Equal() if _is_json(rule.comparable):
            return {"const": rule.comparable}
        case validate.Email():
            return {"format": "email"}
        case validate.URL():
            return {"format": "uri-reference" if rule.relative else "uri"}
        case validate.Regexp():
            return _of_pattern(rule.regex)
    return {}


def _of_length(rule: validate.Length, field_schema: Mapping[str, Any]) -> JsonSchema:
    if field_schema.get("type") not in _LENGTHS:
        return {}
    least, most = _LENGTHS[field_schema["type"]]
    bounds = {least: rule.min, most: rule.max}
    if rule.equal is not None:
        bounds = {least: rule.equal, most: rule.equal}
    return {key: bound for key, bound in bounds.items() if bound is not None}


def _of_range(rule: validate.Range) -> JsonSchema:
    least = "minimum" if rule.min_inclusive else "exclusiveMinimum"
    most = "maximum" if rule.max_inclusive else "exclusiveMaximum"
    bounds = {least: rule.min, most: rule.max}
    return {key: bound for key, bound in bounds.items() if isinstance(bound, int | float)}


def _of_pattern(regex: re.Pattern[Any]) -> JsonSchema:
    """Return the pattern of a rule, if ECMAScript reads it like Python; else leave it open.

    It gets a `^`, because marshmallow matches at the beginning of the text.
    """
    plain = isinstance(regex.pattern, str) and regex.flags == re.compile("").flags
    if not plain or _PYTHON_ONLY.search(regex.pattern):
        return {}
    # Python's $ also matches before a last line break. The pattern is still useful.
    return {"pattern": f"^(?:{regex.pattern})"}


def _or_null(schema: JsonSchema) -> JsonSchema:
    if "enum" in schema:
        schema = schema | {"enum": [*schema["enum"], None]}
    if "const" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" in schema:
        schema = schema | {"type": [schema["type"], "null"]}
    return schema


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
