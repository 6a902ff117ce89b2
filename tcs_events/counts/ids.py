"""The text of an id, wherever one is compared: in events, in a catalogue, on the command line."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from uuid import UUID

from tcs_events.counts.tables import NAME_MAX_LENGTH
from tcs_events.counts.text import cut
from tcs_events.strict_json import MAX_NUMBER

NOT_AN_ID = (bool, list, tuple, set, frozenset, dict)


def id_text(value: object) -> str:
    """Return the text of an id, at most 200 characters; "" for what is not an id.

    A text is itself, without white space around it: "7" and 7 are the same. A number is written
    without an exponent and without needless zeros: 7, 7.0 and `Decimal("7.00")` are "7". A `UUID`
    is in lower case, with hyphens. An `Enum` is its value. Not ids are None, true, false, lists,
    objects, NaN and the infinities. Anything else is what `str` makes of it.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return cut(value.strip()).rstrip()
    if value is None or isinstance(value, NOT_AN_ID):
        return ""
    if type(value) is int and -MAX_NUMBER <= value <= MAX_NUMBER:
        return str(value)  # nearly all numbers
    if isinstance(value, int | float | Decimal):
        return _number_text(value)
    if isinstance(value, UUID):
        return str(value)
    return cut(str(value).strip()).rstrip()


def _number_text(value: int | float | Decimal) -> str:
    # The shortest text that a float is read from: 0.1, and not all the digits it has in binary.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > NAME_MAX_LENGTH:
        return ""  # no id has so many digits
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else cut(text)
