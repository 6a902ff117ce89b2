"""JSON as RFC 8259 has it, and only what every reader of the stored row can read again.

https://www.rfc-editor.org/rfc/rfc8259: UTF-8 without a byte order mark, no NaN, no Infinity. The
rest is what our databases refuse (NUL, lone surrogates) or would give back changed: numbers beyond
what RFC 7493, section 2.2, calls interoperable. PostgreSQL's JSONB writes 1e23 out as an integer,
and JavaScript rounds 2^53 + 1.
"""

from __future__ import annotations

import json
from typing import NoReturn

MAX_DEPTH = 32
MAX_NUMBER = 2**53 - 1
OUT_OF_RANGE = f"The body holds a number that is not between -{MAX_NUMBER} and {MAX_NUMBER}."


class NotStrictJson(ValueError):
    """The text is not JSON we accept; the message says why and quotes nothing of it."""


def loads(body: bytes) -> object:
    """Return the value of a JSON text. Of a key that stands twice in an object, the last counts.

    Raises:
        NotStrictJson: for every text that is not accepted; nothing else is raised.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotStrictJson("The body is not UTF-8.") from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise NotStrictJson(f"The body is not valid JSON: {error.msg} at {where}.") from None
    except NotStrictJson:
        raise
    except ValueError:  # an integer of more digits than Python converts
        raise NotStrictJson(OUT_OF_RANGE) from None
    except RecursionError:
        raise NotStrictJson(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    _check(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"The body is not valid JSON: {name} is not a number.")


def _check(value: object) -> None:
    """Walk with a list of our own: a recursive walk would need the stack the parser had left."""
    to_visit = [(value, 1)]
    while to_visit:
        item, depth = to_visit.pop()
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, int | float):
            if abs(item) > MAX_NUMBER:
                raise NotStrictJson(OUT_OF_RANGE)
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise NotStrictJson(f"The body is nested deeper than {MAX_DEPTH} levels.")
            if isinstance(item, dict):
                for key in item:
                    _check_text(key)
                item = item.values()
            to_visit.extend((child, depth + 1) for child in item)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise NotStrictJson("The body holds a NUL character.")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise NotStrictJson("The body holds half of a surrogate pair.") from None
