"""Events as columns: every property is found under its name, and comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tcs_events.counts.conditions import has, value_at, value_key
from tcs_events.day_files import columns
from tcs_events.day_files.columns import Columns, cell_of, properties_of, session_number, value_of
from tcs_events.event_types.roles import Click
from tests.day_files.payloads import NAMES, SCALARS, payload


def names_in(value: dict[str, Any], outer: tuple[str, ...] = ()) -> Iterator[str]:
    for key, inner in value.items():
        yield ".".join([*outer, key])
        if isinstance(inner, dict):
            yield from names_in(inner, (*outer, key))


@pytest.mark.parametrize("seed", range(60))
def test_the_properties_are_those_that_conditions_find(seed: int) -> None:
    event = payload(seed)
    found = {name: value for name, value, _ in properties_of(event)}
    for name in {*names_in(event), *NAMES}:
        assert (name in found) == has(event, name)
        if name in found:
            assert value_key(found[name], name) == value_key(value_at(event, name), name)


@pytest.mark.parametrize(
    "value", [*SCALARS, 10**30, [1, [True, "1"], None], {"a": {"b": [-0.0, 2**60]}}]
)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    read = value_of(cell_of(value))
    for role in (None, Click(item="item")):
        assert value_key(read, "item", role) == value_key(value, "item", role)
    assert isinstance(read, bool) == isinstance(value, bool)


def test_no_two_values_share_a_cell_unless_they_are_equal() -> None:
    keys: dict[Any, set[Any]] = {}
    for value in SCALARS:
        cell = cell_of(value)
        keys.setdefault((type(cell), cell), set()).add(value_key(value, ""))
    assert all(len(equal) == 1 for equal in keys.values())


def test_what_a_file_has_no_column_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_PROPERTIES", 2)
    found = Columns()
    for event in ({"a": 1, "b": 1}, {"a": 2, "b": 2, "c": 3}):
        found.add("visitor", event)
    assert [name for name, *_ in found.take()] == ["a", "b"]
    assert not found.is_whole
    deep: Any = 1
    for _ in range(columns.MAX_LEVELS + 1):
        deep = {"in": deep}
    found = Columns()
    found.add("visitor", deep)
    assert not found.is_whole


def test_a_flood_of_keys_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_TRACKED", 10)
    found = Columns()
    for number in range(100):
        found.add("visitor", {f"key {number}": 1, "plan": "pro"})
    assert len(list(found.take())) == 10
    assert not found.is_whole


def test_sessions_have_different_numbers_of_64_bits() -> None:
    numbers = {session_number(f"visitor-{number}") for number in range(10_000)}
    assert len(numbers) == 10_000
    assert all(-(2**63) <= number < 2**63 for number in numbers)
