"""Events as columns, one for each property, from which each value comes back as it was.

Parquet columns have one type, and a property may have values of any. So a property has up to two
columns: its numbers, and the JSON text of all other values. A row without either lacks the
property. A column that would be empty is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

from tcs_events.strict_json import MAX_NUMBER

MAX_PROPERTIES = 200
"""The most properties that have columns, those with the most values."""
MAX_TRACKED = 1_000
"""The most properties that are collected. More can only come from keys that are data."""
MAX_LEVELS = 8
"""How deep a property may be within others to get a column."""

Cell: TypeAlias = float | str
"""A value in a file: a float for a number, else JSON text."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which kinds of values a property has in one file."""

    has_numbers: bool = False
    """Whether there is a column of numbers."""
    has_texts: bool = False
    """Whether there is a column of JSON texts."""
    has_nested: bool = False
    """Whether some texts are lists or objects, of which different texts may be equal."""
    has_huge: bool = False
    """Whether some texts are numbers: NaN, or those that a float does not hold exactly."""


def properties_of(payload: Mapping[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Yield the name, the value and the level of each property of a payload.

    The names are those by which conditions find them: `room.city` is the `city` within `room`,
    unless the payload has a property of that name.
    """
    for name, value in payload.items():
        yield name, value, 1
    within = [
        (name, value, 2)
        for name, value in payload.items()
        if isinstance(value, dict) and "." not in name
    ]
    while within:
        outer, inner, level = within.pop()
        for key, value in inner.items():
            if "." in key:
                continue
            name = f"{outer}.{key}"
            if name not in payload:
                yield name, value, level
            if isinstance(value, dict):
                within.append((name, value, level + 1))


def cell_of(value: Any) -> Cell:
    """Return a JSON value as it is kept in a file."""
    kind = type(value)
    if kind is str:
        return json_text(value)
    if kind is int or kind is float:
        if -MAX_NUMBER <= value <= MAX_NUMBER:
            return float(value) + 0.0  # -0.0 becomes 0.0, which is equal
        return repr(value) if kind is int else json_text(value)
    return json_text(value)


def value_of(cell: Cell) -> Any:
    """Return the JSON value of a cell. 1.0 comes back as 1, which is equal."""
    if isinstance(cell, str):
        return json.loads(cell)
    return int(cell) if cell.is_integer() else cell


def json_text(value: Any) -> str:
    """Return the JSON text of a value. Equal texts, booleans and nulls have equal texts."""
    text = _ENCODER.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no file can hold
        return json.dumps(value)
    return text


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def session_number(session_id: str) -> int:
    """Return a number of 64 bits for a session, which is faster to count than its id.

    Among ten million sessions, two have the same number with a probability of 1 in 370,000.
    """
    digest = blake2b(session_id.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def column_names(name: str) -> tuple[str, str]:
    """Return the names of a property's columns, of its numbers and of its texts.

    They are the same in all files. A name of a visitor's may be anything, and DuckDB takes `Plan`
    and `plan` for the same column.
    """
    digest = blake2b(name.encode(errors="surrogatepass"), digest_size=12).hexdigest()
    return f"n_{digest}", f"t_{digest}"


class Columns:
    """Collects the columns of some events, all of one type."""

    def __init__(self) -> None:
        self.sessions: list[int] = []
        self.size = 0
        """About how many bytes the values take."""
        self.is_whole = True
        """Whether every property of these events has columns."""
        self._cells: dict[str, tuple[list[int], list[Cell]]] = {}
        self._number_of_last = "", 0

    def add(self, session_id: str, payload: Mapping[str, Any]) -> None:
        """Add an event."""
        if self._number_of_last[0] != session_id or not self.sessions:
            self._number_of_last = session_id, session_number(session_id)
        row = len(self.sessions)
        self.sessions.append(self._number_of_last[1])
        for name, value, level in properties_of(payload):
            found = self._cells.get(name)
            if found is None:
                if level > MAX_LEVELS or len(self._cells) >= MAX_TRACKED:
                    self.is_whole = False
                    continue
                found = self._cells[name] = [], []
            try:
                cell = cell_of(value)
            except RecursionError:  # a row of the host's own, nested deeper than Python can write
                self.is_whole = False
                continue
            found[0].append(row)
            found[1].append(cell)
            self.size += 64 + (len(cell) if isinstance(cell, str) else 0)

    def take(self) -> Iterator[tuple[str, Kinds, list[float | None], list[str | None]]]:
        """Yield the name, the kinds, the numbers and the texts of each property, and forget them.

        A column that would be empty is an empty list.
        """
        most_first = sorted(self._cells, key=lambda name: -len(self._cells[name][0]))
        if len(most_first) > MAX_PROPERTIES:
            self.is_whole = False
        for name in most_first[:MAX_PROPERTIES]:
            rows, cells = self._cells.pop(name)
            numbers: list[float | None] = []
            texts: list[str | None] = []
            has_nested = has_huge = False
            for row, cell in zip(rows, cells, strict=True):
                if isinstance(cell, str):
                    texts = texts or [None] * len(self.sessions)
                    texts[row] = cell
                    has_nested = has_nested or cell[0] in "[{"
                    has_huge = has_huge or cell[0] in _BEGIN_OF_NUMBER
                else:
                    numbers = numbers or [None] * len(self.sessions)
                    numbers[row] = cell
            yield name, Kinds(bool(numbers), bool(texts), has_nested, has_huge), numbers, texts


_BEGIN_OF_NUMBER = "0123456789-NI"
"""The first characters of numbers as JSON text, with those of NaN and Infinity."""
