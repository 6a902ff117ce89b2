"""JSON Schema of marshmallow schemas: what to send, in terms that other languages know.

https://json-schema.org/draft/2020-12. What marshmallow takes beyond that, such as "5" for an
integer that is not strict, is not told. A field or a rule that is not a standard one is left open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marshmallow import RAISE, Schema, fields, missing, validate

JsonSchema = dict[str, Any]

_NAMED = {
    fields.String: {"type": "string"},
    fields.Email: {"type": "string", "format": "email"},
    fields.Url: {"type": "string", "format": "uri"},
    fields.UUID: {"type": "string", "format": "uuid"},
    fields.Date: {"type": "string", "format": "date"},
    fields.DateTime: {"type": "string", "format": "date-time"},
    fields.AwareDateTime: {"type": "string", "format": "date-time"},
    fields.Integer: {"type": "integer"},
    fields.Float: {"type": "number"},
    fields.Boolean: {"type": "boolean"},
}
_TOLD = ("title", "description", "examples", "deprecated", "format", "maxLength")
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
# What Python's patterns have and those of ECMAScript have not, or mean otherwise.
_PYTHON_ONLY = re.compile(r"\(\?[^:=!]|\\[AZzbBwWdDsSNpP]|[*+?}]\+|\(\?<")


def json_schema(schema: Schema) -> JsonSchema:
    """Return the JSON Schema of what a marshmallow schema loads.

    What a field's `metadata` has as title, description, examples, deprecated, format and maxLength
    is told too. A schema that holds itself is left open where it begins again.
    """
    return _of_schema(schema, ())


Inside = tuple[tuple[type[Schema], frozenset[str]], ...]


def _of_schema(schema: Schema, inside: Inside) -> JsonSchema:
    here = (type(schema), frozenset(schema.fields))
    if here in inside:
        return {"type": "object"}
    loaded = {field.data_key or name: field for name, field in schema.load_fields.items()}
    described: JsonSchema = {
        "type": "object",
        "properties": {name: _of_field(field, (*inside, here)) for name, field in loaded.items()},
    }
    if required := [name for name, field in loaded.items() if field.required]:
        described["required"] = required
    if schema.unknown == RAISE:
        described["additionalProperties"] = False
    return described


def _of_field(field: fields.Field[Any], inside: Inside) -> JsonSchema:
    described = _of_type(field, inside)
    for rule in _flat(field.validators):
        described |= _of_rule(rule, described)
    if field.allow_none:
        described = _or_null(described)
    described |= {key: field.metadata[key] for key in _TOLD if key in field.metadata}
    default = field.load_default() if field.load_default in (dict, list) else field.load_default
    if default is not missing and not callable(default) and _is_json(default):
        described["default"] = default
    return described


def _of_type(field: fields.Field[Any], inside: Inside) -> JsonSchema:
    kind = type(field)  # a subclass may load anything at all
    if getattr(field, "format", None) not in (None, "iso", "iso8601"):
        return {}  # a date in a notation of the host's
    if kind in _NAMED:
        return dict(_NAMED[kind])
    if kind is fields.List:
        return {"type": "array", "items": _of_field(field.inner, inside)}  # type: ignore[attr-defined]
    if kind is fields.Dict:
        return _of_dict(field, inside)  # type: ignore[arg-type]
    if kind is fields.Nested:
        nested = _of_schema(field.schema, inside)  # type: ignore[attr-defined]
        many = field.many or field.schema.many  # type: ignore[attr-defined]
        return {"type": "array", "items": nested} if many else nested
    if kind is fields.Enum:
        return _of_enum(field)  # type: ignore[arg-type]
    return {}


def _of_dict(field: fields.Dict, inside: Inside) -> JsonSchema:
    described: JsonSchema = {"type": "object"}
    if field.value_field is not None:
        described["additionalProperties"] = _of_field(field.value_field, inside)
    if field.key_field is not None:
        names = _of_field(field.key_field, inside)
        if set(names) - {"type"}:
            described["propertyNames"] = names
    return described


def _of_enum(field: fields.Enum[Any]) -> JsonSchema:
    if not field.by_value:
        return {"enum": list(field.enum.__members__)}
    values = [member.value for member in field.enum]
    return {"enum": values} if _is_json(values) else {}


def _flat(rules: Iterable[Callable[..., Any]]) -> list[Callable[..., Any]]:
    found: list[Callable[..., Any]] = []
    for rule in rules:
        found += _flat(rule.validators) if type(rule) is validate.And else [rule]
    return found


def _of_rule(rule: Callable[..., Any], described: Mapping[str, Any]) -> JsonSchema:
    match rule:
        case validate.Length():
            return _of_length(rule, described)
        case validate.Range() if described.get("type") in ("integer", "number"):
            return _of_range(rule)
        case validate.OneOf():
            choices = list(rule.choices)
            return {"enum": choices} if _is_json(choices) else {}
        case validate.Equal() if _is_json(rule.comparable):
            return {"const": rule.comparable}
        case validate.Email():
            return {"format": "email"}
        case validate.Regexp():
            return _of_pattern(rule.regex)
    return {}


def _of_length(rule: validate.Length, described: Mapping[str, Any]) -> JsonSchema:
    if described.get("type") not in _LENGTHS:
        return {}
    least, most = _LENGTHS[described["type"]]
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
    """Return a pattern that means the same everywhere. marshmallow's begins where the text does."""
    plain = isinstance(regex.pattern, str) and regex.flags == re.compile("").flags
    if not plain or _PYTHON_ONLY.search(regex.pattern):
        return {}
    # Python's $ also stands before a last line break, which is no reason to tell nothing.
    return {"pattern": f"^(?:{regex.pattern})"}


def _or_null(described: JsonSchema) -> JsonSchema:
    if "enum" in described:
        described = described | {"enum": [*described["enum"], None]}
    if "const" in described:
        return {"anyOf": [described, {"type": "null"}]}
    if "type" in described:
        described = described | {"type": [described["type"], "null"]}
    return described


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
