"""For random schemas and payloads, all ways to what is stored agree with marshmallow itself."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError, fields, validate

from tcs_events.event_types.event_type import declared
from tcs_events.event_types.payload_form import PayloadForm
from tcs_events.event_types.schemas import event_schema
from tcs_events.intake.precheck import Precheck
from tcs_events.strict_json import MAX_NUMBER

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")
st = hypothesis.strategies

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NAMES = ["a", "b", "c", "d"]
KEYS = [*NAMES, "key", "more"]


class Plan(enum.Enum):
    FREE = "f"
    PRO = "p"


texts = st.text(max_size=3) | st.sampled_from(["a", "FREE", "p", "yes", "on", "x@example.com"])
numbers = (
    st.integers(-3, 3)
    | st.floats(-3, 3)
    | st.sampled_from(["1", "2.50", " 3 ", "1E+3", "NaN", "-inf", "1e400", "1E-500", 2**53 - 1])
    | st.sampled_from(["9007199254740992", "9" * 30, "1_0", "0x1", "\u0663"])
)
dates = st.sampled_from(
    ["2026-03-01", "2026-03-01T09:30:00", "2026-03-01T09:30:00+01:00", "09:30:00", "20260301"]
)
uuids = st.uuids().map(str) | st.uuids().map(lambda value: value.hex.upper())
scalars = texts | numbers | dates | uuids | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
payloads = st.dictionaries(st.sampled_from(KEYS), values, max_size=6)

LEAVES: list[tuple[Any, dict[str, Any]]] = [
    (fields.String, {}),
    (fields.Email, {}),
    (fields.Integer, {}),
    (fields.Integer, {"strict": True}),
    (fields.Integer, {"as_string": True}),
    (fields.Float, {}),
    (fields.Float, {"allow_nan": True}),
    (fields.Decimal, {}),
    (fields.Decimal, {"as_string": True}),
    (fields.Boolean, {}),
    (fields.Boolean, {"truthy": {"yes", 2}, "falsy": {"on", False}}),
    (fields.UUID, {}),
    (fields.Date, {}),
    (fields.DateTime, {}),
    (fields.AwareDateTime, {}),
    (fields.Time, {}),
    (fields.TimeDelta, {}),
    (fields.Raw, {}),
    (fields.Dict, {}),
    (fields.Enum, {"enum": Plan}),
    (fields.Enum, {"enum": Plan, "by_value": True}),
    (fields.Constant, {"constant": "web"}),
]


@st.composite
def leaf(draw: Any) -> Any:
    kind, options = draw(st.sampled_from(LEAVES))
    rule = draw(
        st.sampled_from([None, None, validate.OneOf(["a", 1, True]), validate.Equal(1), bool])
    )
    return kind(allow_none=draw(st.booleans()), validate=rule, **options)


def settle(draw: Any, field: Any) -> Any:
    """Draw what concerns a field by its place in a schema."""
    match draw(st.sampled_from(["required", "default", "none", "", ""])):
        case "required":
            field.required = True
        case "default" if not isinstance(field, fields.Constant):
            field.load_default = draw(defaults(field))
        case "none":
            field.load_default, field.allow_none = None, True
    if draw(st.integers(0, 9)) == 0:
        field.data_key = "key"
    field.load_only = draw(st.integers(0, 9)) == 0
    field.dump_only = not field.load_only and draw(st.integers(0, 9)) == 0
    return field


def defaults(field: Any) -> Any:
    """Return defaults that the field can dump."""
    match field:
        case fields.String() | fields.Raw():
            return st.just("d")
        case fields.Number():
            return st.sampled_from([1, "2"])
        case fields.Boolean():
            return st.booleans()
        case fields.Dict():
            return st.just(dict)
        case fields.List():
            return st.just(list)
        case fields.Enum():
            return st.just(Plan.PRO)
    return st.just(None)


@st.composite
def schemas(draw: Any, depth: int = 2) -> type[Schema]:
    made: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4)):
        kind = draw(st.sampled_from(["leaf", "leaf", "list", "dict", "nested", "many", "tuple"]))
        if depth and kind in ("nested", "many"):
            inner = draw(schemas(depth - 1))
            rule = draw(st.sampled_from([None, None, INCLUDE, EXCLUDE]))
            field: Any = fields.Nested(inner, many=kind == "many", unknown=rule)
        elif depth and kind == "list":
            field = fields.List(draw(leaf() | schemas(depth - 1).map(fields.Nested)))
        elif depth and kind == "dict":
            field = fields.Dict(keys=fields.String(), values=draw(leaf()))
        elif depth and kind == "tuple":
            field = fields.Tuple((draw(leaf()), fields.Integer()))
        else:
            field = draw(leaf())
        made[name] = settle(draw, field)
        if [each.data_key for each in made.values()].count("key") > 1:
            made[name].data_key = None
    meta = type("Meta", (), {"unknown": draw(st.sampled_from([INCLUDE, EXCLUDE, RAISE]))})
    return type("Random", (Schema,), {"Meta": meta, **made})


class Refused(Exception):
    """Nothing is stored."""


def slow_truth(schema: Schema, payload: Any) -> Any:
    """Return what must be stored, by marshmallow and a walk that knows nothing of ours."""
    refuse_taken(schema, schema.unknown, payload)
    try:
        dumped = schema.dump(schema.load(payload))
    except ValidationError:
        raise Refused from None
    with_unknown(schema, schema.unknown, payload, dumped)
    return plain(dumped)


def inner_of(field: Any, sent: Any) -> list[tuple[Schema, str, Any, tuple[int, ...] | None]]:
    """Return the schema, the rule and the value of each object in a field that has a schema."""
    if isinstance(field, fields.Nested):
        rule = field.unknown or field.schema.unknown
        if field.many:
            items = sent if isinstance(sent, list) else []
            return [(field.schema, rule, item, (place,)) for place, item in enumerate(items)]
        return [(field.schema, rule, sent, None)]
    if isinstance(field, fields.List) and isinstance(field.inner, fields.Nested):
        items = sent if isinstance(sent, list) else []
        schema = field.inner.schema
        return [(schema, schema.unknown, item, (place,)) for place, item in enumerate(items)]
    return []


def refuse_taken(schema: Schema, rule: str, sent: Any) -> None:
    """Refuse what only we refuse: a field under the Python name of another one."""
    if not isinstance(sent, dict):
        return
    keys = {field.data_key or name for name, field in schema.load_fields.items()}
    names = set(schema.fields) | {
        field.data_key or name for name, field in schema.dump_fields.items()
    }
    if rule == INCLUDE and sent.keys() & (names - keys):
        raise Refused
    for name, field in schema.load_fields.items():
        for inner, inner_rule, value, _ in inner_of(field, sent.get(field.data_key or name)):
            refuse_taken(inner, inner_rule, value)


def with_unknown(schema: Schema, rule: str, sent: Any, dumped: Any) -> None:
    if not isinstance(sent, dict) or not isinstance(dumped, dict):
        return
    keys = {field.data_key or name for name, field in schema.load_fields.items()}
    if rule == INCLUDE:
        dumped.update({name: value for name, value in sent.items() if name not in keys})
    for name, field in schema.load_fields.items():
        key = field.data_key or name
        if key in sent and key in dumped and not field.load_only:
            for inner, inner_rule, value, place in inner_of(field, sent[key]):
                below = dumped[key] if place is None else dumped[key][place[0]]
                with_unknown(inner, inner_rule, value, below)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > 400:
            raise Refused
        return format(value, "f")
    if isinstance(value, float) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise Refused
    if type(value) is int and abs(value) > MAX_NUMBER:
        raise Refused
    return value


def hides_a_number(schema: Schema) -> bool:
    """Return whether a number that we refuse may be text, or not at all, in the slow truth."""
    found = [*schema.fields.values()]
    for field in found:
        if isinstance(field, fields.Nested):
            found += field.schema.fields.values()
        found += [
            inner
            for inner in (getattr(field, "inner", None), getattr(field, "value_field", None))
            if inner is not None
        ]
        found += getattr(field, "tuple_fields", ())
    return any(getattr(field, "as_string", False) or field.load_only for field in found)


def same(left: Any, right: Any) -> bool:
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@pytest.mark.proof
@hypothesis.settings(
    max_examples=400, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
@hypothesis.given(schemas(), payloads)
def test_all_ways_agree(schema: type[Schema], payload: Any) -> None:
    types = declared({"booked": schema}, {})
    sent = {"event_type": "booked", "session_id": "s", "payload": payload}
    envelope = event_schema(types)
    quick = Precheck(envelope)(sent, NOW)
    try:
        loaded = envelope.load(sent)
    except ValidationError:
        loaded = None
    # The quick check and the schema decide alike.
    assert (quick is None) == (loaded is None)
    if quick is not None and loaded is not None:
        assert same(quick.payload, loaded["payload"])
    # The fast way of a schema and the slow one store the same.
    form = PayloadForm("booked", schema)
    if form._quick is not None:
        fast, form._quick = form._quick(payload), None
        try:
            slow = form.stored(payload)
        except ValidationError:
            assert fast is None
        else:
            assert fast is not None  # or the common case would be slow
            assert same(fast, slow)
    # And that is what marshmallow loads and dumps.
    try:
        truth = slow_truth(schema(), payload)
    except Refused:
        assert quick is None or hides_a_number(schema())
    else:
        assert quick is not None or hides_a_number(schema())
        if quick is not None:
            assert same(quick.payload, truth)
