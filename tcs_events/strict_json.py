"""JSON as RFC 8259 has it, and only what every reader of the stored row can read again.

https://www.rfc-editor.org/rfc/rfc8259: UTF-8 without a byte order mark, no NaN, no Infinity. The
rest is what our databases refuse (NUL, lone surrogates) or would give back changed: numbers beyond
what RFC 7493, section 2.2, calls interoperable. PostgreSQL's JSONB writes 1e23 out as an integer,
and JavaScript rounds 2^53 + 1.

orjson is used where it is installed, and has no say: what it refuses, the standard library decides
and words, so that the answers are the same with and without it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

MAX_DEPTH = 32
MAX_BODY_DEPTH = 500
"""What no part of a body may exceed. Each parser has a bound of its own, the standard library's
depends on the stack it is called on, and both are above this one."""
MAX_VALUES = 65_536
"""What the values of a body may come to, where the host says nothing else. No body of 64 KiB holds
more, so that no event is refused for it; a larger body may not, for values take more room in memory
than in the body, objects and lists most of all: `{"a":0},` is eight bytes, and then 232."""
WEIGHT = 3
"""As how many values an object or a list counts."""
MAX_NUMBER = 2**53 - 1
OUT_OF_RANGE = f"The body holds a number that is not between -{MAX_NUMBER} and {MAX_NUMBER}."
TOO_DEEP = f"The body is nested deeper than {MAX_DEPTH} levels."

# A text that does not end goes to the end: no letter is looked at twice, whatever is sent.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_EMPTY = re.compile(rb"[\[{][ \t\n\r]*+[\]}]")


class NotStrictJson(ValueError):
    """The text is not JSON we accept; the message says why and quotes nothing of it."""


def parse(body: bytes, max_values: int = MAX_VALUES) -> tuple[Any, bool]:
    """Return the value of a JSON text, and whether its texts need a `check`.

    Where they do not, `check_numbers` is enough. Of a key that stands twice in an object, the last
    counts. An object or a list counts as `WEIGHT` of the `max_values`.

    Raises:
        NotStrictJson: for every text that is no JSON; nothing else is raised.
    """
    if WEIGHT * len(body) > max_values:
        _check_values(body, max_values)
    value = _parsed(body)
    if body.count(b"[") + body.count(b"{") > MAX_BODY_DEPTH:
        _check_body_depth(value)
    # Only an escape by number can bring in a NUL or a lone surrogate: raw ones are no JSON.
    return value, b"\\u" in body


def _check_values(body: bytes, max_values: int) -> None:
    """Refuse a body for the number of its values, before anything is made of them."""
    if body.count(b",") + WEIGHT * (body.count(b"[") + body.count(b"{")) < max_values:
        return  # even if no list were empty, and no text held such a sign
    if _values_in(body, max_values) > max_values:
        raise NotStrictJson(
            f"The body holds more than {max_values} values; a list or an object counts as {WEIGHT}."
        )


def _values_in(body: bytes, enough: int) -> int:
    """Return what the values come to, or any number that is more than `enough`.

    Nothing is copied: that would take as much room as what is counted here.
    """
    values, containers = 1, 0
    for start, end in _between_texts(body, 2 * enough):
        containers += (found := body.count(b"[", start, end) + body.count(b"{", start, end))
        values += body.count(b",", start, end) + WEIGHT * found
        if values - containers > enough:  # all of them may be empty, no more
            break
        if found:
            empty = sum(1 for _ in _EMPTY.finditer(body, start, end))
            values, containers = values - empty, containers - empty
    return values


def _between_texts(body: bytes, max_texts: int) -> Iterator[tuple[int, int]]:
    """Give where there is no text: the bounds of each such part, and then those of the rest.

    A value is one text at most, and its key another: there are no more in any body that is JSON and
    has not too many values.
    """
    at = 0
    for text in islice(_TEXT.finditer(body), max_texts):
        start, end = text.span()
        yield at, start
        at = end
    yield at, len(body)


def _parsed(body: bytes) -> Any:
    if orjson is not None:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
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
    except ValueError:  # an integer of more digits than Python converts
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
    """Return the JSON text of a value that `parse` gave."""
    if orjson is not None:
        return orjson.dumps(value).decode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def loads(text: str) -> Any:
    """Return the value of a JSON text that is stored: what `dumps` was given, or a host's own.

    Raises:
        ValueError: the text is not JSON.
        RecursionError: it is nested deeper than Python reads.
    """
    if orjson is not None:
        # It refuses NaN and half a surrogate pair, which a host's own code may have stored.
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(text)
    return json.loads(text)


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"The body is not valid JSON: {name} is not a number.")


def check_numbers(value: object) -> None:
    """Refuse a value that is nested too deep or holds a number out of range.

    This is `check` for a value whose texts are known to be good, which most are.

    Raises:
        NotStrictJson: it is, or does.
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
    """Refuse a value that some reader of the stored row could not read, or would read changed.

    Raises:
        NotStrictJson: it holds such a text or number, or is nested too deep.
    """
    # A list of our own: a recursive walk would need the stack that the parser has left.
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
