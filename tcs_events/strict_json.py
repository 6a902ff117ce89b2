"""JSON as in RFC 8259, without the values that some reader of a stored row would read differently.

https://www.rfc-editor.org/rfc/rfc8259 demands UTF-8 without a byte order mark, and has no NaN and
no Infinity. Three more things are refused. Databases reject NUL and lone surrogates. Numbers
outside the range that RFC 7493, section 2.2, calls interoperable come back changed: PostgreSQL's
JSONB writes 1e23 as an integer, and JavaScript rounds 2^53 + 1.

orjson is used if it is installed, but only to save time. The standard library decides about every
text that orjson refuses, and words the message. So the answers are the same with and without it.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any, NoReturn

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

MAX_DEPTH = 32
"""How many levels of objects and lists an event may have."""
MAX_BODY_DEPTH = 500
"""How many levels any part of a body may have, ignored fields included. Both parsers read more, but
each has another bound, and that of the standard library depends on the stack in use."""
MAX_NUMBER = 2**53 - 1
OUT_OF_RANGE = f"The body holds a number that is not between -{MAX_NUMBER} and {MAX_NUMBER}."
TOO_DEEP = f"The body is nested deeper than {MAX_DEPTH} levels."


class NotStrictJson(ValueError):
    """A text is not JSON that we accept. The message says why, and quotes nothing of it."""


def parse(body: bytes) -> tuple[Any, bool]:
    """Return the value of a JSON text, and whether its strings need `check`.

    If they do not, `check_numbers` is enough. If an object has a key twice, the last value counts.
    While the text is read, it takes up to 50 times its length in memory: objects take the most.

    Raises:
        NotStrictJson: the text is not JSON, or is nested too deep. Nothing else is raised.
    """
    value = _parsed(body)
    # Fewer brackets cannot be nested too deep.
    if body.count(b"[") + body.count(b"{") > MAX_BODY_DEPTH:
        _check_body_depth(value)
    # Only a \u escape can produce a NUL or a lone surrogate. Raw ones are not JSON.
    return value, b"\\u" in body


def _parsed(body: bytes) -> Any:
    if orjson is not None:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass  # The standard library words the error.
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotStrictJson("The body is not UTF-8.") from None
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise NotStrictJson(f"The body is not valid JSON: {error.msg} at {where}.") from None
    except NotStrictJson:
        raise
    except ValueError:  # an integer with more digits than Python converts
        raise NotStrictJson(OUT_OF_RANGE) from None
    except RecursionError:
        raise NotStrictJson(TOO_DEEP) from None


def _check_body_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_BODY_DEPTH):
        inner = (item.values() if type(item) is dict else item for item in level)
        level = [child for items in inner for child in items if type(child) in (dict, list)]
        if not level:
            return
    raise NotStrictJson(TOO_DEEP)


def dumps(value: object) -> str:
    """Return the JSON text of a value that `parse` returned."""
    if orjson is not None:
        return orjson.dumps(value).decode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def loads(text: str) -> Any:
    """Return the value of a stored JSON text, written by `dumps` or by the host's own code.

    Raises:
        ValueError: the text is not JSON.
        RecursionError: it is nested deeper than Python can read.
    """
    if orjson is not None:
        # orjson refuses NaN and lone surrogates, which a host's own code may have stored.
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(text)
    return json.loads(text)


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"The body is not valid JSON: {name} is not a number.")


def check_numbers(value: object) -> None:
    """Check the depth and the numbers of a value.

    This is enough, instead of `check`, if `parse` said that the strings need no check.

    Raises:
        NotStrictJson: the value is nested too deep, or holds a number out of range.
    """
    level = [value]
    for depth in range(1, MAX_DEPTH + 2):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if (kind is dict or kind is list) and depth > MAX_DEPTH:
                raise NotStrictJson(TOO_DEEP)
            if kind is dict:
                below += item.values()  # type: ignore[attr-defined]
            elif kind is list:
                below += item  # type: ignore[arg-type]
            elif (kind is int or kind is float) and not -MAX_NUMBER <= item <= MAX_NUMBER:  # type: ignore[operator]
                raise NotStrictJson(OUT_OF_RANGE)
        if not below:
            return
        level = below


def check(value: object) -> None:
    """Check that every reader of the stored row can read a value, and reads it unchanged.

    Raises:
        NotStrictJson: it holds a string or number that is not safe, or is nested too deep.
    """
    # A list instead of recursion: the host's own code may have left little of the stack.
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
                raise NotStrictJson(TOO_DEEP)
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
