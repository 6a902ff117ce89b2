"""One writer for all JSON that people download or print, and one guard against formulas."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from tcs_events.export.csv_format import cell
from tcs_events.export.json_text import json_text


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    sessions: int


VALUES: list[tuple[object, Any]] = [
    ({"a": [1, 0.5, None, True, "Zoë"]}, {"a": [1, 0.5, None, True, "Zoë"]}),
    ([Row("ada", 3)], [{"name": "ada", "visits": 3}]),
    (date(2026, 1, 31), "2026-01-31"),
    (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
    (b"a\xff", "a\\xff"),
    ([float("nan"), {"b": float("-inf")}, date(2026, 1, 31)], [None, {"b": None}, "2026-01-31"]),
    ("half a pair: \ud800", "half a pair: \ud800"),
]


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda value: repr(value)[:30])
def test_a_value_is_read_as_it_was_written(value: object, expected: Any, is_ascii: bool) -> None:
    text = json_text(value, is_ascii=is_ascii)
    assert json.loads(text, parse_constant=pytest.fail) == expected
    assert text.encode().decode() == text
    assert text.isascii() or not is_ascii


def test_only_ascii_is_escaped_for_a_terminal() -> None:
    assert json_text("Zoë \x9b") == '"Zoë \x9b"'
    assert json_text("Zoë \x9b", is_ascii=True) == r'"Zo\u00eb \u009b"'


def test_a_cell_has_the_text_of_its_value() -> None:
    for value, text in (
        (None, ""),
        (float("nan"), ""),
        (0, "0"),
        (-5, "-5"),
        (True, "true"),
        (date(2026, 1, 31), "2026-01-31"),
        (["a", "ë"], '["a", "ë"]'),
        ("a", "a"),
        ("=1+1", "'=1+1"),
        ("\uff1d1", "'\uff1d1"),
    ):
        assert cell(value) == text
