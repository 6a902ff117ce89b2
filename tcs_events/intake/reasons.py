"""Why an event was refused: each field and its message, for those who read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Reason(NamedTuple):
    """A refused field, and why."""

    path: str
    """Such as `payload.rooms.2.price`. `_schema` stands for the whole value."""
    message: str


def reasons(errors: Mapping[str, object]) -> Iterator[Reason]:
    """Yield each field and message of errors, which may be nested as the payload is."""
    return _reasons(errors, "")


def _reasons(errors: object, path: str) -> Iterator[Reason]:
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            yield from _reasons(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(errors, list | tuple):
        for inner in errors:
            yield from _reasons(inner, path)
    else:
        yield Reason(path, str(errors))
