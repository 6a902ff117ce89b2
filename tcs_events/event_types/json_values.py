"""Makes JSON values of what a schema has dumped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any
from uuid import UUID

MAX_EXPONENT = 400
"""How far from the point the first digit of a Decimal may be. That of a float is within 324."""

_AS_TEXT = (UUID, IPv4Address, IPv6Address, IPv4Interface, IPv6Interface)


class NotJson(TypeError):
    """A value has no form in JSON. The message says why, and does not quote the value."""


def as_json(value: Any) -> Any:
    """Return a value as JSON has it. Lists and dicts are copied.

    A Decimal becomes text without loss, a date or time ISO text, an enum its value, and a duration
    its number of seconds.

    Raises:
        NotJson: the value, or one within it, has no such form.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise NotJson("NaN and Infinity are not JSON")
        return value
    if isinstance(value, Enum):
        return as_json(value.value)
    if isinstance(value, Mapping):
        return {_as_name(name): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item) for item in value]
    return _as_scalar(value)


def _as_scalar(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return as_json(float(value))
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
            raise NotJson("a Decimal is NaN, Infinity or too long")
        return format(value, "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, _AS_TEXT):
        return str(value)
    raise NotJson(f"a {type(value).__name__} is not JSON")


def _as_name(name: object) -> str:
    """Return the name of a field. Numbers and other simple values become text."""
    if type(name) is str:
        return name
    value = as_json(name)
    if isinstance(value, dict | list) or value is None:
        raise NotJson(f"a {type(name).__name__} is not the name of a field")
    return str(value)
