"""Checks what must be true of every accepted event, without using the code that accepted it."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 32
LARGEST = 9_007_199_254_740_991


def strict(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON by RFC 8259, or not in UTF-8.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: 1 is not true, and -0.0 is not 0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def same_number(one: Any, other: Any) -> bool:
    """Return whether two values from a database are the same JSON: JSONB may write 1.0 as 1.

    It has no negative zero either, and writes a float that is whole as an integer.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_number(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_number, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and one == other


def why_not(value: Any, depth: int = 1) -> str:
    """Return why some reader of a stored value would fail, "" if none would."""
    if isinstance(value, str):
        if "\0" in value:
            return "NUL"
        return "half a surrogate pair" if any("\ud800" <= c <= "\udfff" for c in value) else ""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return "" if -LARGEST <= value <= LARGEST else "a number out of range"
    if depth > MAX_DEPTH:
        return "too deep"
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return next((why for item in inner if (why := why_not(item, depth + 1))), "")
