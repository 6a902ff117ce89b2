"""Ids as text, so that ids in events, in the catalogue and on the command line can be compared."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from uuid import UUID

from tcs_events.counts.tables import NAME_MAX_LENGTH
from tcs_events.counts.text import cut
from tcs_events.strict_json import MAX_NUMBER

NOT_AN_ID = (bool, list, tuple, set, frozenset, dict)


def id_text(value: object) -> str:
    """Return an id as text, at most 200 characters, or "" if the value is not an id.

    - A text is returned without white space around it. So "7" and 7 are the same id.
    - A number has no exponent and no trailing zeros: 7, 7.0 and `Decimal("7.00")` become "7".
    - A `UUID` is in lower case, with hyphens.
    - An `Enum` stands for its value.
    - None, booleans, lists, tuples, sets, dicts, NaN and infinities are not ids.
    - Any other value is converted with `str`.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return cut(value.strip()).rstrip()
    if value is None or isinstance(value, NOT_AN_ID):
        return ""
    if type(value) is int and -MAX_NUMBER <= value <= MAX_NUMBER:
        return str(value)  # the fast path, for nearly all numbers
    if isinstance(value, int | float | Decimal):
        return _number_text(value)
    if isinstance(value, UUID):
        return str(value)
    return cut(str(value).strip()).rstrip()


def _number_text(value: int | float | Decimal) -> str:
    # `repr` gives the shortest text of a float, 0.1. `Decimal(0.1)` would have 55 digits.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > NAME_MAX_LENGTH:
        return ""  # a number with this many digits is not an id
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else cut(text)
