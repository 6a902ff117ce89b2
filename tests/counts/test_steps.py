"""The text of a step is read as the same step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tcs_events.counts.conditions import OPERATORS
from tcs_events.counts.steps import definition_of, steps_of
from tcs_events.reports import Condition, Step, step

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")
st = hypothesis.strategies
given, settings = hypothesis.given, hypothesis.settings

texts = st.text(st.sampled_from('a0 ,[]{}"=<>!\\\n\x85\xa0-.eé1true\ud800'), max_size=8) | st.text()
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def is_name(text: str) -> bool:
    return bool(text) and text == text.strip() and not set("=<>!,[]") & set(text)


names = texts.filter(is_name)
conditions = st.builds(
    Condition, names, st.sampled_from([one for one in OPERATORS if one != "in"]), values
) | st.builds(Condition, names, st.just("in"), st.lists(values, min_size=1, max_size=3))
steps = st.builds(Step, names, st.lists(conditions, max_size=3))


def exactly(one: Step) -> Any:
    """Return the step as JSON, in which 1, true and 1.0 differ."""
    return [
        one.event_type,
        [[of.field, of.operator, json.dumps(of.value)] for of in one.conditions],
    ]


@settings(max_examples=400, deadline=None)
@given(steps)
def test_a_step_is_read_from_its_text(one: Step) -> None:
    assert exactly(step(str(one))) == exactly(one)


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from('ab0,[]{}"=<>! .e1\\'), max_size=20))
def test_a_text_is_a_step_that_says_the_same_or_is_refused(text: str) -> None:
    try:
        one = step(text)
    except ValueError:
        return
    assert exactly(step(str(one))) == exactly(one)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, min_size=1, max_size=3))
def test_a_definition_says_all_of_its_steps(several: list[Step]) -> None:
    definition = definition_of(several)
    assert definition.isascii()
    assert definition_of(steps_of(definition)) == definition
    turned = [Step(one.event_type, one.conditions[::-1]) for one in several]
    assert definition_of(turned) == definition


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "a[x=0]"),
        ("0", 'a[x="0"]'),
        ("true", 'a[x="true"]'),
        (True, "a[x=true]"),
        ("two words", "a[x=two words]"),
        ("a, b", 'a[x="a, b"]'),
        ("[a]", 'a[x="[a]"]'),
        (["a", "b"], 'a[x=["a", "b"]]'),
        ("", "a[x=]"),
        ("NaN", "a[x=NaN]"),
        ("1e999", "a[x=1e999]"),
    ],
)
def test_values_are_written_as_plainly_as_they_can_be(value: object, text: str) -> None:
    assert str(Step("a", [Condition("x", "=", value)])) == text
    assert step(text).conditions[0].value == value


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("a[]", []),
        (" a [ x >= 1 ,, y=z ] ", [("x", ">=", 1), ("y", "=", "z")]),
        ('a[x="b, c", y=1]', [("x", "=", "b, c"), ("y", "=", 1)]),
        ('a[x="b" or so]', [("x", "=", '"b" or so')]),
        ('a[x in ["b, c", 1], y in [null]]', [("x", "in", ["b, c", 1]), ("y", "in", [None])]),
        ("a[x in=in]", [("x in", "=", "in")]),
    ],
)
def test_steps_are_read(text: str, conditions: list[tuple[str, str, object]]) -> None:
    assert step(text) == Step("a", [Condition(*of) for of in conditions])


@pytest.mark.parametrize(
    "text",
    [
        "a[x=[]",
        "a[x=b]]",
        "a[x=b[c]]",
        "a]",
        "[x=1]",
        "",
        "a[x",
        "a[x]",
        "a[x in b]",
        "a[x in [b]]",
    ],
)
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a step|is not a condition|contains brackets"):
        step(text)


def test_a_value_that_is_too_deep_is_refused() -> None:
    with pytest.raises(ValueError, match="brackets"):
        step("a[x=" + "[" * 100_000 + "]" * 100_000 + "]")


@pytest.mark.parametrize("field", ["", " x", "a=b", "a,b", "a[0]"])
def test_a_field_that_cannot_be_written_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="is not a valid field"):
        Condition(field, "=", 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), (1, 2), {1: 2}, b"a", [object()]])
def test_a_value_that_is_none_of_json_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a JSON value"):
        Condition("x", "=", value)


def test_other_operators_and_types_are_refused() -> None:
    with pytest.raises(ValueError, match="is not an operator"):
        Condition("x", "~", 1)
    for event_type in ("", " a", "a[b]"):
        with pytest.raises(ValueError, match="is not a valid event type"):
            Step(event_type)
