"""The values of properties: which are one value, how they are ordered, and which are numbers."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tcs_events.counts.conditions import value_at
from tcs_events.counts.filters import active_filters
from tcs_events.counts.ids import id_text
from tcs_events.counts.text import normalise
from tcs_events.event_types.roles import Role
from tcs_events.strict_json import MAX_NUMBER

NUMBER_PATTERN = r"-?[0-9]{1,15}(\.[0-9]{1,30})?"
_NUMBER = re.compile(NUMBER_PATTERN, re.ASCII)
_encode = json.JSONEncoder(sort_keys=True).encode


def shown_value(value: Any, field: str, role: Role | None = None) -> Any:
    """Return the one JSON value that stands for all that are equal to this one by `value_key`."""
    if role is not None:
        if field == getattr(role, "item", None) and (item := id_text(value)):
            return item
        if field == getattr(role, "query", None) and isinstance(value, str):
            return normalise(value)
        if field == getattr(role, "filters", None) and isinstance(value, dict):
            value = active_filters(value)
    return _in_one_form(value)


def order_text(value: Any) -> str:
    """Return the text by which values are ordered that have the same numbers: their JSON.

    It is ASCII. Values that `shown_value` gives have the same text only if they are equal.
    """
    return _encode(value)


def number_of(payload: dict[str, Any], field: str) -> float | None:
    """Return the number of a property, None if it is not a number.

    A text such as "19.90" is a number, too: a `Decimal` is stored as text, so that nothing is lost.
    """
    return _number(value_at(payload, field))


def is_numeric(value: Any) -> bool:
    """Return whether a value is a number in the sense of `number_of`."""
    return _number(value) is not None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _in_one_form(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_NUMBER:
        return int(value)
    if isinstance(value, list):
        return [_in_one_form(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _in_one_form(value[name]) for name in sorted(value)}
    return value
