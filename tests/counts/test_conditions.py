"""Conditions mean the same wherever they are asked."""

from __future__ import annotations

from typing import Any

import pytest

from tcs_events.counts.conditions import Condition, conditions_of
from tcs_events.event_types.roles import Click, Search


@pytest.mark.parametrize(
    ("where", "conditions"),
    [
        (None, []),
        ({}, []),
        ("", []),
        ({"plan": "pro", "room.city": ["Rome", "Oslo"]},
         [("plan", "=", "pro"), ("room.city", "in", ["Rome", "Oslo"])]),
        ({"seats": (1, 2), "paid": None}, [("seats", "in", [1, 2]), ("paid", "=", None)]),
        ("price>=10", [("price", ">=", 10)]),
        ('plan=pro, city in ["Rome", "a|b, c"]',
         [("plan", "=", "pro"), ("city", "in", ["Rome", "a|b, c"])]),
        (["plan=pro", Condition("price", "<", 3)], [("plan", "=", "pro"), ("price", "<", 3)]),
        (Condition("price", "<", 3), [("price", "<", 3)]),
    ],
)  # fmt: skip
def test_conditions_are_read_in_each_form(where: Any, conditions: list[Any]) -> None:
    assert conditions_of(where) == tuple(Condition(*of) for of in conditions)


@pytest.mark.parametrize(
    "where",
    ["plan", {"a=b": 1}, {1: 1}, {"plan": []}, {"plan": object()}, ["plan=pro", 3], [None], 3,
     "x=" + "[" * 100_000],
)  # fmt: skip
def test_what_is_no_condition_is_refused(where: Any) -> None:
    with pytest.raises(
        ValueError, match=r"is not a|needs a list|too many nested|contains brackets"
    ):
        conditions_of(where)


PAYLOAD = {
    "plan": "pro",
    "seats": 2,
    "paid": True,
    "note": None,
    "tags": ["a", 1],
    "room": {"city": "Rome", "bed": {"size": 1.5}, "sea": None},
    "room.floor": 3,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("plan=pro", True),
        ("plan=team", False),
        ("plan!=team", True),
        ("seats=2.0", True),
        ('seats="2"', False),
        ("paid=1", False),
        ("paid=true", True),
        ("paid>=1", False),
        ("seats>1", True),
        ("seats<=1.5", False),
        ("plan>1", False),
        ('plan in ["team", "pro"]', True),
        ('plan in ["team"]', False),
        ("seats in [true, 2]", True),
        ("paid in [1]", False),
        ('tags=["a", 1]', True),
        ('tags=["a", true]', False),
        ("tags=a", False),
        # A property within an object, and one with a dot in its name.
        ("room.city=Rome", True),
        ("room.bed.size<2", True),
        ("room.floor=3", True),
        ("room.city.name=Rome", False),
        ("plan.name=pro", False),
        ('room={"bed": {"size": 1.5}, "city": "Rome", "sea": null}', True),
        # What is missing is like null, and meets nothing else.
        ("note=null", True),
        ("note!=null", False),
        ("other=null", True),
        ("room.sea=null", True),
        ("room.view=null", True),
        ("other in [1, null]", True),
        ("other!=null", False),
        ("other!=pro", False),
        ("note!=pro", True),
        ("plan!=null", True),
        ("other<1", False),
    ],
)
def test_a_condition_holds_or_does_not(text: str, holds: bool) -> None:
    [condition] = conditions_of(text)
    assert condition.holds(PAYLOAD) is holds


def test_items_and_filters_are_compared_as_in_reports() -> None:
    click, search = Click(item="id"), Search(query="q", filters="filters")
    for text in ("id=7", 'id="7"', 'id in ["7"]'):
        [condition] = conditions_of(text)
        assert condition.holds({"id": 7}, click)
        assert condition.holds({"id": " 7"}, click)
        assert not condition.holds({"id": True}, click)
    [no_filter] = conditions_of("filters={}")
    assert no_filter.holds({"filters": {"city": "", "open": False}}, search)
    assert not no_filter.holds({"filters": {"city": "Rome"}}, search)
    assert not no_filter.holds({"filters": []}, search)
