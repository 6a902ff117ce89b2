"""The JSON of all that people download or print: pages, commands, exports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from functools import partial
from typing import Any, Final

RENAMED: Final = {"sessions": "visits"}
"""Fields of dataclasses that have another name in JSON. A report's `sessions` counts visits."""


def json_text(
    value: object,
    *,
    is_ascii: bool = False,
    indent: int | None = None,
    renamed: Mapping[str, str] = RENAMED,
) -> str:
    """Return JSON that every parser reads.

    Dataclasses become objects, and dates and times are in ISO 8601. NaN and infinity, which JSON
    does not have, become null. Any other value that JSON does not have, such as a UUID, becomes
    text.

    Args:
        value: the value to write.
        is_ascii: escape all other characters. No control character of a visitor reaches a terminal.
        indent: the spaces before each level. None writes one line.
        renamed: the fields of dataclasses that have another name.
    """
    plain = partial(_plain, renamed)
    try:
        text = json.dumps(
            value, ensure_ascii=is_ascii, allow_nan=False, default=plain, indent=indent
        )
    except ValueError:  # NaN or infinity
        with_nan = json.dumps(value, default=plain)
        finite = json.loads(with_nan, parse_constant=lambda name: None)
        return json_text(finite, is_ascii=is_ascii, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 cannot encode
        return json_text(value, is_ascii=True, indent=indent, renamed=renamed)
    return text


def _plain(renamed: Mapping[str, str], value: object) -> Any:
    """Return a value that JSON does not have as one that it has."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            renamed.get(field.name, field.name): getattr(value, field.name)
            for field in fields(value)
        }
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, date):  # a datetime is a date too
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value)
