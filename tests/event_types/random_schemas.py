"""Random schemas of every field that the TypeScript knows, and payloads for them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, fields, validate

Strategy = st.SearchStrategy[Any]


def schema_of(**declared_fields: fields.Field) -> type[Schema]:
    return type("Payload", (Schema,), declared_fields)


@dataclass(frozen=True)
class Sort:
    """A sort of field, with values to try. What marshmallow converts is not among them."""

    make: Callable[..., fields.Field]
    taken: Strategy
    others: Strategy


class Plan(enum.Enum):
    FREE = "free"
    PRO = "pro"
    OLD = 3


class Amount(enum.IntEnum):
    SOME = 2
    MANY = 5


NUMBERS = st.sampled_from([0, 1, -3, 40, 0.5, -1.25, 1000.0])
WHOLE = st.sampled_from([0, 1, 2, 5, -3, 2**53 - 1])
TEXTS = st.sampled_from(["", "a", "grid", "FREE", "free", "7", "Zürich", 'a"b', "\u2028", "true"])
NO_NUMBERS = st.sampled_from(["", "a", "grid", "Zürich", "true"])
BOOLEANS = st.booleans()
NONE = st.none()
LISTS = st.sampled_from([[], ["a"], [1], [None], [{}]])
OBJECTS = st.sampled_from([{}, {"a": 1}, {"odd key": None}, {"a": {"a": []}}])
COMPOSED = LISTS | OBJECTS
NO_TEXT = NONE | BOOLEANS | NUMBERS | COMPOSED
NO_NUMBER = NONE | BOOLEANS | NO_NUMBERS | COMPOSED
ANYTHING = NO_TEXT | TEXTS


def formatted(kind: Callable[..., fields.Field], *texts: str) -> Sort:
    return Sort(kind, st.sampled_from(texts), NO_TEXT)


def with_rule(kind: Callable[..., fields.Field], **rules: Any) -> Callable[..., fields.Field]:
    return lambda **options: kind(**rules, **options)


LEAVES = [
    Sort(fields.String, TEXTS, NO_TEXT),
    Sort(with_rule(fields.String, validate=validate.OneOf(["grid", 'a"b'])), TEXTS, NO_TEXT),
    Sort(with_rule(fields.String, validate=validate.Equal("grid")), TEXTS, NO_TEXT),
    Sort(with_rule(fields.String, validate=validate.Length(max=99)), TEXTS, NO_TEXT),
    Sort(fields.Integer, WHOLE, NO_NUMBER),
    Sort(with_rule(fields.Integer, strict=True), WHOLE, NO_NUMBER),
    Sort(with_rule(fields.Integer, validate=validate.OneOf([1, 2])), WHOLE, NO_NUMBER),
    Sort(fields.Float, NUMBERS, NO_NUMBER),
    Sort(with_rule(fields.Float, validate=validate.OneOf([0.5, 40])), NUMBERS, NO_NUMBER),
    Sort(fields.Decimal, NUMBERS | st.just("120.50"), NONE | BOOLEANS | COMPOSED),
    Sort(fields.TimeDelta, WHOLE.map(lambda number: number % 100), NONE | NO_NUMBERS | COMPOSED),
    Sort(fields.Boolean, BOOLEANS, NONE | COMPOSED | st.sampled_from(["maybe", 7, -0.5])),
    Sort(
        with_rule(fields.Boolean, truthy={"yes"}, falsy={"no"}),
        st.sampled_from(["yes", "no"]),
        ANYTHING,
    ),
    Sort(with_rule(fields.Boolean, validate=validate.Equal(True)), BOOLEANS, NONE | COMPOSED),
    formatted(fields.UUID, "2c1b1a1e-6c1c-4f3e-9a52-0b4c3f2a1d00"),
    formatted(fields.Date, "2026-03-01"),
    formatted(with_rule(fields.Date, format="%d.%m.%Y"), "01.03.2026"),
    formatted(fields.Time, "12:30:00"),
    formatted(fields.DateTime, "2026-03-01T12:30:00"),
    formatted(fields.AwareDateTime, "2026-03-01T12:30:00+01:00"),
    formatted(with_rule(fields.DateTime, format="rfc"), "Sun, 01 Mar 2026 12:30:00 +0000"),
    Sort(
        with_rule(fields.DateTime, format="timestamp_ms"),
        st.just(1_772_368_200_000),
        NONE | NO_NUMBERS | COMPOSED,
    ),
    formatted(fields.Email, "ada@example.com"),
    formatted(fields.Url, "https://example.com/a"),
    formatted(fields.IP, "192.0.2.1", "2001:db8::1"),
    formatted(fields.IPv4, "192.0.2.1"),
    formatted(fields.IPv6Interface, "2001:db8::1/64"),
    Sort(with_rule(fields.Enum, enum=Plan), st.sampled_from(["FREE", "PRO", "OLD"]), ANYTHING),
    Sort(
        with_rule(fields.Enum, enum=Plan, by_value=True),
        st.sampled_from(["free", "pro", 3]),
        ANYTHING,
    ),
    Sort(with_rule(fields.Enum, enum=Amount, by_value=fields.Integer), WHOLE, NO_NUMBER),
    Sort(
        with_rule(fields.Enum, enum=Plan, validate=validate.OneOf([Plan.PRO])),
        st.sampled_from(["PRO", "FREE"]),
        ANYTHING,
    ),
    Sort(with_rule(fields.Constant, constant="web"), st.just("web"), NONE),
    Sort(fields.Raw, ANYTHING, NONE),
    Sort(with_rule(fields.Raw, validate=validate.OneOf(["grid", 40])), ANYTHING, NONE),
    Sort(
        with_rule(fields.Function, deserialize=lambda text: text, metadata={"ts": "string"}),
        TEXTS,
        NONE,
    ),
]


@st.composite
def sorts(draw: st.DrawFn, depth: int = 2) -> Sort:
    leaf = st.sampled_from(LEAVES)
    if depth == 0 or draw(st.booleans()):
        return draw(leaf)
    return draw(st.one_of(lists(depth), tuples(depth), dicts(depth), nested(depth), plucked(depth)))


def inner(sort: Sort, draw: st.DrawFn) -> tuple[fields.Field, Strategy, Strategy]:
    """Return a field for the inside of another, its values, and values with one that is not."""
    allow_none = draw(st.booleans())
    taken = sort.taken | NONE if allow_none else sort.taken
    return sort.make(allow_none=allow_none), taken, taken | sort.others


@st.composite
def lists(draw: st.DrawFn, depth: int) -> Sort:
    field, taken, tried = inner(draw(sorts(depth - 1)), draw)
    some = st.lists(tried, min_size=1, max_size=2)
    others = NONE | BOOLEANS | NUMBERS | TEXTS | OBJECTS | some
    return Sort(with_rule(fields.List, cls_or_instance=field), st.lists(taken, max_size=2), others)


@st.composite
def tuples(draw: st.DrawFn, depth: int) -> Sort:
    parts = [inner(draw(sorts(depth - 1)), draw) for _ in range(draw(st.integers(1, 2)))]
    make = with_rule(fields.Tuple, tuple_fields=[field for field, _, _ in parts])
    taken = st.tuples(*(each for _, each, _ in parts)).map(list)
    tried = st.tuples(*(each for _, _, each in parts)).map(list)
    return Sort(make, taken, tried | st.just([]) | OBJECTS | NONE | NUMBERS | TEXTS)


@st.composite
def dicts(draw: st.DrawFn, depth: int) -> Sort:
    field, taken, tried = inner(draw(sorts(depth - 1)), draw)
    named = st.sampled_from(["a", "odd key", "7"])
    keys = fields.String(validate=validate.OneOf(["a", "7"])) if draw(st.booleans()) else None
    allowed = named if keys is None else st.sampled_from(["a", "7"])
    make = with_rule(fields.Dict, keys=keys, values=field)
    some = st.dictionaries(named, tried, min_size=1, max_size=2)
    others = some | NONE | BOOLEANS | NUMBERS | TEXTS | LISTS
    return Sort(make, st.dictionaries(allowed, taken, max_size=2), others)


@st.composite
def nested(draw: st.DrawFn, depth: int) -> Sort:
    schema, taken, tried = draw(schemas(depth - 1))
    if draw(st.booleans()):
        make = with_rule(fields.Nested, nested=schema, many=True)
        some = st.lists(tried, min_size=1, max_size=2)
        return Sort(make, st.lists(taken, max_size=2), some | OBJECTS | NONE | NUMBERS | TEXTS)
    make = with_rule(fields.Nested, nested=schema)
    return Sort(make, taken, tried | NONE | BOOLEANS | NUMBERS | TEXTS | LISTS)


@st.composite
def plucked(draw: st.DrawFn, depth: int) -> Sort:
    field, taken, tried = inner(draw(sorts(depth - 1)), draw)
    field.required = True
    schema = schema_of(needed=fields.Integer(required=True), plucked=field)
    if draw(st.booleans()):
        make = with_rule(fields.Pluck, nested=schema, field_name="plucked", many=True)
        some = st.lists(tried, min_size=1, max_size=2)
        return Sort(make, st.lists(taken, max_size=2), some | OBJECTS | NONE | NUMBERS | TEXTS)
    make = with_rule(fields.Pluck, nested=schema, field_name="plucked")
    return Sort(make, taken, tried | NONE)


KEYS = ["plan", "odd key", "2nd", "class", "Ümlaut", 'a"b', "a.b", "a\nb"]


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> tuple[type[Schema], Strategy, Strategy]:
    """Return a schema, a strategy of payloads that it takes, and one of others, mostly."""
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True))
    unknown = draw(st.sampled_from([RAISE, EXCLUDE, INCLUDE]))
    found: dict[str, Any] = {"Meta": type("Meta", (), {"unknown": unknown})}
    needed, may, wrong = {}, {}, []
    for place, key in enumerate(keys):
        sort, options = draw(sorts(depth)), draw(options_of_field())
        try:
            field = sort.make(data_key=key, **options)
        except ValueError:
            field = sort.make(data_key=key)
        found[f"field{place}"] = field
        taken = sort.taken | NONE if field.allow_none else sort.taken
        (needed if field.required else may)[key] = taken
        wrong.append((key, sort.others | st.just(...)))
    if unknown == INCLUDE:
        may["more"] = ANYTHING
    if unknown == RAISE or not wrong:
        wrong.append(("more" if unknown != EXCLUDE else "field0", st.just(...)))
    if unknown == RAISE:
        wrong.append(("more", ANYTHING))
    taken = st.fixed_dictionaries(needed, optional=may)
    changes = st.one_of([st.tuples(st.just(key), values) for key, values in wrong])
    others = st.tuples(taken, changes).map(lambda both: changed(*both))
    return type("Inner", (Schema,), found), taken, others


def changed(payload: dict[str, Any], change: tuple[str, Any]) -> dict[str, Any]:
    key, value = change
    rest = {name: each for name, each in payload.items() if name != key}
    return rest if value is ... else rest | {key: value}


def options_of_field() -> Strategy:
    needed = st.sampled_from([{"required": True}, {}, {"load_default": None}])
    null = st.sampled_from([{}, {"allow_none": True}])
    return st.tuples(needed, null).map(lambda both: both[0] | both[1])
