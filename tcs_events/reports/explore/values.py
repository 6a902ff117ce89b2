"""The values of properties and numbers, as they are shown to people."""

from __future__ import annotations

import json
from typing import Any

from tcs_events.counts.values import (
    NUMBER_PATTERN,
    is_numeric,
    number_of,
    order_text,
    shown_value,
)

NOT_SET = "(not set)"


def value_text(value: Any) -> str:
    """Return a value as text for people: a text as it is, anything else as JSON."""
    if value is None:
        return NOT_SET
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def number_text(number: float | None) -> str:
    """Return a number for people: whole, or with two decimals; a dash for None."""
    if number is None:
        return "\N{EN DASH}"
    if number == int(number):
        return f"{int(number):,}"
    if abs(number) < 0.01:
        return f"{number:.2g}"
    return f"{number:,.2f}"


__all__ = [
    "NOT_SET",
    "NUMBER_PATTERN",
    "is_numeric",
    "number_of",
    "number_text",
    "order_text",
    "shown_value",
    "value_text",
]
