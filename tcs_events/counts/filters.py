"""Filters in payloads: which are active, and which settings are the same."""

from __future__ import annotations

import json
from typing import Any

from tcs_events.counts.text import cut, normalise


def is_off(value: object) -> bool:
    """Return whether the value of a filter means that it is off.

    Such values are false, null, a text without visible characters, and a list or an object with
    only such values. 0 is not: it is a value like any other.
    """
    if value is None or value is False:
        return True
    if isinstance(value, str):
        return not normalise(value)
    if isinstance(value, dict):
        return all(map(is_off, value.values()))
    return isinstance(value, list) and all(map(is_off, value))


def active_filters(filters: object) -> dict[str, Any]:
    """Return the filters that are on. A page may also send filters that are off."""
    if not isinstance(filters, dict):
        return {}
    return {name: value for name, value in filters.items() if not is_off(value)}


def has_active_filters(filters: object) -> bool:
    """Return whether at least one filter is on."""
    return isinstance(filters, dict) and not is_off(filters)


def was_set(value: object, filters: object, name: str) -> bool:
    """Return whether a filter change has switched the value on, not off.

    A filter with several values, such as tags, sends the value that was toggled. Whether it is on
    now shows in `filters`, if the event has them.
    """
    if is_off(value) or not isinstance(filters, dict):
        return not is_off(value)
    current = filters.get(name)
    if is_off(current):
        return False
    return not isinstance(current, list) or value == current or value in current


def settings_text(value: object) -> str:
    """Return a filter's value, or all filters, as JSON that does not depend on their order.

    It has at most 200 characters.
    """
    return cut(_compact(_sorted(value)))


# `json.dumps` would make an encoder for each value.
_compact = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _sorted(value: object) -> object:
    """Return the value with its lists of scalars sorted: numbers first, then everything else."""
    if isinstance(value, dict):
        return {name: _sorted(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    if any(isinstance(inner, dict | list) for inner in value):
        return [_sorted(inner) for inner in value]
    return sorted(value, key=_place)


def _place(scalar: Any) -> tuple[bool, Any, str]:
    is_number = isinstance(scalar, int | float) and not isinstance(scalar, bool)
    return not is_number, scalar if is_number else 0, _compact(scalar)
