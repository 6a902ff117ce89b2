"""The fast check always agrees with the schema, and the two JSON parsers with each other."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields

from tcs_events import strict_json
from tcs_events.event_types.event_type import declared
from tcs_events.event_types.schemas import MAX_AGE_MS, event_schema
from tcs_events.intake.precheck import Precheck

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")
st = hypothesis.strategies
given, settings = hypothesis.given, hypothesis.settings


class SignUp(Schema):
    plan = fields.String(required=True)


SCHEMA = event_schema(declared({"card_click": None, "sign_up": SignUp}, {}))
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
precheck = Precheck(SCHEMA)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
likely = {
    "event_type": st.sampled_from(["card_click", "sign_up", "nope", ""]),
    "session_id": st.text(max_size=66) | st.sampled_from(["s", " ", "s" * 64, "s" * 65, "\u00a0"]),
    "payload": st.fixed_dictionaries({}, optional={"plan": st.text() | st.integers()}),
    "event_id": st.uuids().map(str)
    | st.uuids().map(lambda value: value.hex)
    | st.uuids().map(lambda value: f"{{{value}}}")
    | st.uuids().map(lambda value: value.urn)
    | st.text(alphabet="0123456789abcdef-_ ", min_size=30, max_size=38),
    "age_ms": st.integers(-2, 2)
    | st.integers(MAX_AGE_MS - 1, MAX_AGE_MS + 1)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none(),
    "email": st.emails() | st.none() | st.text(max_size=12) | st.just("a" * 310 + "@b.example"),
}
envelopes = st.fixed_dictionaries(
    {},
    optional={name: good | anything for name, good in likely.items()} | {"more": anything},
)


@pytest.mark.proof
@settings(max_examples=2000, deadline=None)
@given(envelopes | anything)
def test_the_quick_check_says_yes_just_where_the_schema_does(data: Any) -> None:
    quick = precheck(data, NOW)
    try:
        loaded = SCHEMA.load(data)
    except ValidationError:
        assert quick is None
        return
    assert quick is not None  # or the common case would be slow
    assert quick.event_type == loaded["event_type"]
    assert quick.session_id == loaded["session_id"]
    assert quick.payload == loaded["payload"]
    assert quick.email == loaded["email"]
    if "event_id" in loaded:
        assert quick.event_id == loaded["event_id"]
    assert (NOW - quick.created_at).total_seconds() * 1000 == pytest.approx(loaded["age_ms"])
    assert 0 <= loaded["age_ms"] <= MAX_AGE_MS


def verdict(body: bytes, orjson: Any, monkeypatch: pytest.MonkeyPatch) -> object:
    """Return the event of a body, or why it is refused, with or without orjson."""
    with monkeypatch.context() as patch:
        patch.setattr(strict_json, "orjson", orjson)
        try:
            value, unsure = strict_json.parse(body)
            (strict_json.check if unsure else strict_json.check_numbers)(value)
        except strict_json.NotStrictJson as error:
            return str(error)
        return [value]


fragments = st.sampled_from(
    [
        b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u0000", b"\\ud800", b"\\udc00", b"0",
        b"-", b"1", b"9007199254740992", b"9007199254740991", b"1e400", b"1e5", b".5", b"E+3",
        b"NaN", b"Infinity", b"null", b"true", b" ", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
        b"\x00", b"\n", b'"a"', b'{"v":', b"[[", b"]]", b"99999999999999999999999999",
    ]
)  # fmt: skip
texts = (
    anything.map(lambda value: json.dumps(value).encode())
    | anything.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    | st.lists(fragments, max_size=12).map(b"".join)
    | fragments.map(lambda piece: b'{"v":' + piece + b"}")
    | st.binary(max_size=40)
)


@pytest.mark.proof
@settings(
    max_examples=3000,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@given(body=texts)
def test_the_answer_is_the_same_with_and_without_orjson(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    orjson = pytest.importorskip("orjson", reason="needs orjson: pip install -e '.[fast]'")
    assert verdict(body, orjson, monkeypatch) == verdict(body, None, monkeypatch)


@pytest.mark.proof
@settings(max_examples=1000, deadline=None)
@given(anything)
def test_a_value_that_needs_no_full_check_would_pass_it(value: Any) -> None:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    try:
        parsed, unsure = strict_json.parse(body)
        if unsure:
            return
        strict_json.check_numbers(parsed)
    except strict_json.NotStrictJson:
        return
    strict_json.check(parsed)


@pytest.mark.parametrize("levels", [31, 32, 33, 34])
@pytest.mark.parametrize("innermost", [[], {}, [0], {"a": 0}, [2**53]])
def test_both_checks_count_levels_alike(levels: int, innermost: object) -> None:
    value = innermost
    for _ in range(levels - 1):
        value = [value]
    verdicts = []
    for check in (strict_json.check, strict_json.check_numbers):
        try:
            check(value)
        except strict_json.NotStrictJson as error:
            verdicts.append(str(error))
        else:
            verdicts.append("")
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize("levels", [33, 499, 500, 501, 700, 900, 1000, 1020, 1024, 1025, 5000])
def test_a_deep_batch_has_one_answer_with_and_without_orjson(
    monkeypatch: pytest.MonkeyPatch, levels: int
) -> None:
    """Each parser has its own limit, and a deep event must not affect the others."""
    orjson = pytest.importorskip("orjson", reason="needs orjson: pip install -e '.[fast]'")
    nested = b"[" * levels + b"]" * levels
    for body in (nested, b'{"events":[{},' + nested + b"]}", b'{"events":[],"x":' + nested + b"}"):
        verdicts = []
        for parser in (orjson, None):
            monkeypatch.setattr(strict_json, "orjson", parser)
            try:
                strict_json.parse(body)
            except strict_json.NotStrictJson as error:
                verdicts.append(str(error))
            else:
                verdicts.append("")
        assert verdicts[0] == verdicts[1]
        around = 0 if body is nested else 2 if b"[{}," in body else 1
        assert bool(verdicts[0]) == (levels + around > strict_json.MAX_BODY_DEPTH)


@pytest.mark.parametrize("uses_orjson", [True, False])
@pytest.mark.parametrize(
    "item",
    ['{"a":0}', "{}", "[]", "0.5", '"ab"', "[" * 400 + "]" * 400, '{"":' * 28 + "0" + "}" * 28],
    ids=lambda item: item[:8],
)
def test_a_body_takes_at_most_50_times_its_size_in_memory(
    monkeypatch: pytest.MonkeyPatch, item: str, uses_orjson: bool
) -> None:
    """So the limit on its bytes also bounds the memory of a request."""
    if uses_orjson:
        pytest.importorskip("orjson", reason="needs orjson: pip install -e '.[fast]'")
    else:
        monkeypatch.setattr(strict_json, "orjson", None)
    size = 64 << 10
    body = f"[{','.join([item] * (size // (len(item) + 1)))}]".encode()
    strict_json.parse(body)  # what is made only once does not count
    tracemalloc.start()
    try:
        strict_json.parse(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 50 * len(body)


def test_what_is_written_can_be_read_back_without_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"text": '\N{OWL} \u2028 " \\', "n": [1, -1.5e-7, None, True]}
    assert json.loads(strict_json.dumps(value)) == value
    monkeypatch.setattr(strict_json, "orjson", None)
    assert json.loads(strict_json.dumps(value)) == value
