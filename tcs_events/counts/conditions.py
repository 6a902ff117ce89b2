"""Conditions on the properties of an event: what they mean, and how they are written as text.

This is the one reader of `where`. Whoever asks for the events that meet a condition asks `holds`.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tcs_events.counts.filters import active_filters
from tcs_events.counts.ids import id_text
from tcs_events.counts.text import normalise
from tcs_events.event_types.roles import Role

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_FIELD = re.compile(r"[^=<>!,\[\]]+")
_CONDITION = re.compile(
    r"(?P<field>[^=<>!,\[\]]+?)\s*(?P<operator>>=|<=|!=|=|>|<|(?<=\s)in(?=\s*\[))"
    r"\s*(?P<value>[^,]*)"
)
_END_OF_VALUE = re.compile(r"\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a property of the payload must be.

    - `room.city` is the property of that name. If the payload has none, it is the `city` within the
      object `room`.
    - A property that is missing is like null: `plan=null` holds for both. No other condition holds
      for a missing property, not even `plan!=pro`. `plan!=null` says that the property is there and
      not null.
    - 1 and 1.0 are the same. 1, `"1"` and true are three values. A list equals the same list in the
      same order, and no other value.
    - `<`, `<=`, `>` and `>=` compare numbers only.

    A property that the role of the event type names as the item is compared as in reports, so that
    7 and "7" are the same. So is one that it names as the query: `text=moon` holds for "Moon", too.
    In a property that it names as the filters, those that are off do not count: `filters={}` means
    that no filter is on.

    Raises:
        ValueError: the field contains one of `=<>!,[]`, or has spaces around it; or the operator is
            not one of those below; or the value is not a JSON value; or `in` has no list, or an
            empty one.
    """

    field: str
    """The name of the property."""
    operator: str
    """One of `=`, `!=`, `<`, `<=`, `>`, `>=`, and `in`: it equals one value of a list."""
    value: Any

    def __post_init__(self) -> None:
        check_field(self.field)
        if self.operator not in OPERATORS:
            operators = " ".join(OPERATORS)
            raise ValueError(f"{self.operator!r} is not an operator: use one of {operators}")
        if not _is_json(self.value):
            raise ValueError(f"{self.value!r} is not a JSON value, so no payload can have it")
        if self.operator == "in" and not (isinstance(self.value, list) and self.value):
            raise ValueError(
                f'{self.field} in {self.value!r}: "in" needs a list of at least one value'
            )

    def __str__(self) -> str:
        if self.operator == "in":
            return f"{self.field} in {_json_text(self.value)}"
        return f"{self.field}{self.operator}{_value_text(self.value)}"

    def holds(self, payload: Mapping[str, Any], role: Role | None = None) -> bool:
        """Return whether a payload meets it.

        Args:
            payload: that of an event.
            role: what the event's type means; None for nothing.
        """
        value = value_at(payload, self.field)
        if self.operator in _COMPARE:
            return (
                _is_number(value)
                and _is_number(self.value)
                and bool(_COMPARE[self.operator](value, self.value))
            )
        key = value_key(value, self.field, role)
        if self.operator == "in":
            return any(key == value_key(one, self.field, role) for one in self.value)
        is_equal = key == value_key(self.value, self.field, role)
        if self.operator == "=":
            return is_equal
        return not is_equal and has(payload, self.field)


Where: TypeAlias = Mapping[str, Any] | str | Condition | Iterable[Condition | str] | None
"""Conditions, in any of the forms that `conditions_of` reads."""


def conditions_of(where: Where) -> tuple[Condition, ...]:
    """Return the conditions that an event must meet, all of them.

    Args:
        where: a mapping such as `{"plan": "pro", "room.city": ["Rome", "Oslo"]}`, in which a list
            means one of its values; or a text such as `price>=10` or `plan=pro, price>=10`; or
            a `Condition`; or several texts and conditions; None for no conditions.

    Raises:
        ValueError: something in it is not a condition. The message says what, and how to write it.
    """
    if where is None:
        return ()
    if isinstance(where, Condition):
        return (where,)
    if isinstance(where, str):
        return tuple(read_conditions(where))
    if isinstance(where, Mapping):
        return tuple(
            Condition(name, "in", list(value))
            if isinstance(value, list | tuple)
            else Condition(name, "=", value)
            for name, value in where.items()
        )
    if not isinstance(where, Iterable):
        raise ValueError(f"{where!r} is not a condition: write a text such as 'price>=10'")
    found: list[Condition] = []
    for one in where:
        if not isinstance(one, Condition | str):
            raise ValueError(f"{one!r} is not a condition: write a text such as 'price>=10'")
        found += conditions_of(one)
    return tuple(found)


def check_field(field: object) -> None:
    """Check that a condition can name this property.

    Raises:
        ValueError: it cannot.
    """
    if not isinstance(field, str) or not _FIELD.fullmatch(field) or field != field.strip():
        raise ValueError(
            f"{field!r} is not a valid field: it must not contain any of =<>!,[] or have spaces"
            " around it"
        )


def has(payload: Mapping[str, Any], field: str) -> bool:
    """Return whether the payload has the property. Its value may be null."""
    return _find(payload, field) is not _MISSING


def value_at(payload: Mapping[str, Any], field: str) -> Any:
    """Return the value of a property, None if the payload does not have it.

    `room.city` is the property of that name, else the `city` within the object `room`.
    """
    value = _find(payload, field)
    return None if value is _MISSING else value


def value_key(value: Any, field: str, role: Role | None = None) -> Hashable:
    """Return what is the same for two values of a property if and only if they are equal.

    Args:
        value: any JSON value.
        field: the name of the property.
        role: what the event's type means; None for nothing.
    """
    if role is not None:
        if field == getattr(role, "item", None) and (item := id_text(value)):
            return item  # "7" and 7 are the same item
        if field == getattr(role, "query", None) and isinstance(value, str):
            return normalise(value)
        if field == getattr(role, "filters", None) and isinstance(value, dict):
            value = active_filters(value)
    return _key(value)


def is_compared_as_in_reports(field: str, role: Role | None) -> bool:
    """Return whether `value_key` compares a property in a way of its own: item, query, filters."""
    return field in [getattr(role, name, None) for name in ("item", "query", "filters")]


def _key(value: Any) -> Hashable:
    if isinstance(value, bool):
        return bool, value  # in Python True == 1, in JSON they differ
    if isinstance(value, list):
        return list, tuple(map(_key, value))
    if value != value:
        return float, "NaN"  # which JSON lacks, but databases may have; it does not equal itself
    if isinstance(value, dict):
        return dict, frozenset((name, _key(inner)) for name, inner in value.items())
    key: Hashable = value
    return key


_MISSING = object()


def _find(payload: Mapping[str, Any], field: str) -> Any:
    if field in payload:
        return payload[field]
    if "." not in field:
        return _MISSING
    value: Any = payload
    for name in field.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_conditions(text: str) -> Iterator[Condition]:
    """Read conditions that are separated by commas: `plan=pro, price>=10, city in ["Rome"]`.

    A value is read as JSON if it is JSON (`0`, `true`, `"0"`, `["a", "b"]`), else as text. Write a
    text that contains a comma or a bracket as JSON: `"a, b"`.

    Raises:
        ValueError: the text is something else.
    """
    try:
        yield from _conditions(text)
    except RecursionError:
        raise ValueError("a value of a condition has too many nested brackets") from None


def _conditions(text: str) -> Iterator[Condition]:
    place = 0
    while place < len(text):
        if text[place] == "," or text[place].isspace():
            place += 1
            continue
        match = _CONDITION.match(text, place)
        if match is None:
            part = text[place:].split(",")[0].strip()
            raise ValueError(
                f"{part!r} is not a condition: write field=value, or use !=, <, <=, >, >=,"
                ' or field in ["a", "b"]'
            )
        value, place = _value(text, match.start("value"), match.end())
        yield Condition(match["field"].strip(), match["operator"], value)


def _value(text: str, start: int, comma: int) -> tuple[Any, int]:
    """Return a value, and the index after it. It ends at the next comma outside of JSON."""
    if text[start : start + 1] in ('"', "[", "{"):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except ValueError:
            pass
        else:
            if _is_json(value) and (match := _END_OF_VALUE.match(text, end)):
                return value, match.end()
    plain = text[start:comma].strip()
    if "[" in plain or "]" in plain:
        raise ValueError(f'{plain!r} contains brackets: write it as JSON, "in quotes"')
    return _scalar(plain), comma


def _scalar(text: str) -> Any:
    try:
        value = _DECODER.decode(text)
    except ValueError:
        return text
    return value if _is_json(value) else text


def _value_text(value: Any) -> str:
    """Return the text that `_value` reads as this value, without quotes if it needs none."""
    if (
        isinstance(value, str)
        and value.isprintable()
        and value == value.strip()
        and not re.search(r"""^["{=<>!]|[,\[\]]""", value)
        and isinstance(_scalar(value), str)
    ):
        return value
    return _json_text(value)


def _json_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _is_json(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(map(_is_json, value))
        case dict():
            return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | str)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)
