"""Durations in words."""

from __future__ import annotations

from math import ceil

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def duration(seconds: float) -> str:
    """Return `2 days 3 hours` for a time: the two largest units, rounded up.

    Rounded up, because it is said of those who took a step "within" this time.
    """
    whole = max(1, ceil(seconds))
    for place, (_, size) in enumerate(_UNITS):
        if whole >= size:
            smaller = _UNITS[min(place + 1, len(_UNITS) - 1)][1]
            whole = ceil(whole / smaller) * smaller
            break
    parts: list[str] = []
    for name, size in _UNITS:
        number, whole = divmod(whole, size)
        if number:
            parts.append(f"{number} {name if number == 1 else name + 's'}")
    return " ".join(parts)
