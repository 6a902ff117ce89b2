"""Which filters are on, and what makes two settings of them the same."""

from __future__ import annotations

import json
from typing import Any

from tcs_events.counts.text import cut, normalise


def is_off(value: object) -> bool:
    """Tell the value of a filter that is off: false, null, nothing visible, or only such values.

    0 is a value like any other.
    """
    if value is None or value is False:
        return True
    if isinstance(value, str):
        return not normalise(value)
    if isinstance(value, dict):
        return all(map(is_off, value.values()))
    return isinstance(value, list) and all(map(is_off, value))


def active_filters(filters: object) -> dict[str, Any]:
    """Return the filters that are on: a page may also send the others, with nothing in them."""
    if not isinstance(filters, dict):
        return {}
    return {name: value for name, value in filters.items() if not is_off(value)}


def has_active_filters(filters: object) -> bool:
    """Return whether a filter is on."""
    return isinstance(filters, dict) and not is_off(filters)


def was_set(value: object, filters: object, name: str) -> bool:
    """Tell a value that was set from one that was switched off.

    A filter that takes several values, such as tags, sends the one that was toggled; whether it is
    on now can be seen in the filters, where the event has any.
    """
    if is_off(value) or not isinstance(filters, dict):
        return not is_off(value)
    now = filters.get(name)
    if is_off(now):
        return False
    return not isinstance(now, list) or value == now or value in now


def settings_text(value: object) -> str:
    """Return JSON that is the same for the same filters, in whatever order they were set."""
    return cut(_compact(_sorted(value)))


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _sorted(value: object) -> object:
    """Return the value with its lists of scalars sorted, numbers by size and before texts."""
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
