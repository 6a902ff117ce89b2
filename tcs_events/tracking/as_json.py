"""Writes what the host's Python records as the JSON that a browser would have sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from tcs_events.errors import TYPE, EventInvalid, Message


def json_of(event: Mapping[str, object]) -> bytes:
    """Return an event as JSON, in UTF-8.

    Dates and times become ISO 8601 texts, a `Decimal` and a `UUID` their texts, tuples lists.

    Raises:
        EventInvalid: a value has no form in JSON, or holds itself. The errors say where.
    """
    try:
        text = json.dumps(event, default=_text, ensure_ascii=False)
    except TypeError:
        raise EventInvalid(_problems(event)) from None
    except (ValueError, RecursionError):
        problem = _wrong("Holds itself, or is nested too deep.")
        raise EventInvalid({"payload": problem}) from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half an emoji. Escaped, it reaches the check that refuses it for browsers, too.
        return json.dumps(event, default=_text).encode()


def _text(value: object) -> str:
    match value:
        case date() | datetime() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
    raise TypeError


def _problems(value: Any) -> Any:
    """Return what is wrong with a value, nested as the value is. None if nothing is."""
    match value:
        case dict():
            found: dict[str | int, Any] = {
                str(key): _problem_of_key(key) or _problems(item) for key, item in value.items()
            }
        case list() | tuple():
            found = {place: _problems(item) for place, item in enumerate(value)}
        case str() | int() | float() | None | date() | time() | Decimal() | UUID():
            return None
        case Enum():
            return _wrong("Is an Enum. Pass its `name` or its `value`, as the schema takes it.")
        case _:
            return _wrong(f"Is a {type(value).__name__}, which has no form in JSON.")
    return {name: problem for name, problem in found.items() if problem is not None} or None


def _problem_of_key(key: object) -> list[Message] | None:
    if key is None or isinstance(key, str | int | float):
        return None
    return _wrong(f"Is a key of type {type(key).__name__}. Keys must be texts.")


def _wrong(text: str) -> list[Message]:
    return [Message(text, TYPE)]
