"""Unknown fields of a payload, which go by the rule of the schema that they are in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, missing

from tcs_events.errors import UNPLANNED, Message


# Not `Field[Any]`, because fields are not generic in marshmallow 3.
class TakenName(fields.Field):  # type: ignore[type-arg]
    """Refuses a field that would be taken for another one.

    With `unknown = INCLUDE`, marshmallow puts unknown fields where it puts the loaded ones. There a
    field has its Python name. What was sent under that name would replace the value of the field
    unchecked if the field is sent under another name (`data_key`), or not at all (`dump_only`).
    """

    def deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if value is not missing:
            raise ValidationError(Message("Unknown field.", UNPLANNED))
        return value


def taken_names(schema: Schema) -> Iterable[str]:
    """Return the names, sorted, under which something else than a sent field is found."""
    inside = {_attribute(name, field) for name, field in schema.fields.items()}
    inside |= {field.data_key or name for name, field in schema.dump_fields.items()}
    sent = {field.data_key or name for name, field in schema.load_fields.items()}
    return sorted(inside - sent)


def _attribute(name: str, field: fields.Field[Any]) -> str:
    return (field.attribute or name).partition(".")[0]


def put_back(schema: Schema, unknown: str | None, loaded: Any, dumped: Any) -> None:
    """Add to a dump the unknown fields that the schemas have kept, for dumps leave them out."""
    if isinstance(loaded, list | tuple) and isinstance(dumped, list):
        for item, dumped_item in zip(loaded, dumped, strict=False):
            put_back(schema, unknown, item, dumped_item)
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
        put_back(field.schema, field.unknown, loaded, dumped)
    elif isinstance(field, fields.List) and isinstance(loaded, list) and isinstance(dumped, list):
        for item, dumped_item in zip(loaded, dumped, strict=False):
            _put_back_in(field.inner, item, dumped_item)
    elif isinstance(field, fields.Tuple) and isinstance(loaded, tuple):
        for inner, item, dumped_item in zip(field.tuple_fields, loaded, dumped, strict=False):
            _put_back_in(inner, item, dumped_item)
    elif isinstance(field, fields.Mapping) and field.value_field and isinstance(loaded, dict):
        for item, dumped_item in zip(loaded.values(), dumped.values(), strict=False):
            _put_back_in(field.value_field, item, dumped_item)
