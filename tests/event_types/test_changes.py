"""What a release would refuse of what the last one accepted is found, and nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import enum
import json
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, fields, validate, validates

from tcs_events import EventType
from tcs_events.event_types.changes import NotASnapshot, refusals, snapshot
from tcs_events.event_types.event_type import EventTypes, declared
from tcs_events.payloads import PAYLOAD_SCHEMAS
from tests.event_types.random_schemas import LEAVES, Sort, options_of_field, schema_of, sorts


def types_of(schema: type[Schema] | None, name: str = "opened") -> EventTypes:
    return declared([EventType(name, schema)], {})


def found(last: type[Schema] | None, now: type[Schema] | None) -> list[str]:
    """Return what is refused now, as the command says it."""
    return [str(each) for each in refusals(snapshot(types_of(last)), types_of(now))]


def found_in_field(last: fields.Field, now: fields.Field) -> list[str]:
    return found(schema_of(a=last), schema_of(a=now))


class Small(enum.Enum):
    A = "a"


class Large(enum.Enum):
    A = "a"
    B = "b"


def own(value: object) -> None:
    """A rule of a host."""


def other(value: object) -> None:
    """Another one."""


class Ruled(Schema):
    a = fields.String()

    @validates("a")
    def check_a(self, *_: Any, **__: Any) -> None:
        """A rule of the schema."""


def with_unknown(unknown: str, **declared_fields: fields.Field) -> type[Schema]:
    meta = type("Meta", (), {"unknown": unknown})
    return type("Payload", (Schema,), {"Meta": meta, **declared_fields})


TEXT, INT = fields.String, fields.Integer
RULE = validate.OneOf(["a", "b"])


def text(*rules: Any, **options: Any) -> fields.Field:
    return fields.String(validate=list(rules), **options)


def number(*rules: Any, **options: Any) -> fields.Field:
    return fields.Float(validate=list(rules), **options)


def between(low: Any, high: Any, **options: Any) -> validate.Range:
    return validate.Range(low, high, **options)


NARROWER_FIELDS = [
    (TEXT(), TEXT(required=True), "opened.a is now required"),
    (TEXT(allow_none=True), TEXT(), "opened.a no longer takes null"),
    (text(RULE), text(validate.OneOf(["a"])), 'opened.a no longer takes "b"'),
    (text(RULE), text(validate.Equal("b")), 'opened.a no longer takes "a"'),
    (
        text(validate.OneOf(list("abcdef"))),
        text(validate.OneOf(["a"])),
        'opened.a no longer takes "b", "c", "d" and 2 more',
    ),
    (TEXT(), text(RULE), 'opened.a now takes only "a", "b"'),
    (text(RULE), text(validate.OneOf([])), 'opened.a no longer takes "a", "b"'),
    (TEXT(), INT(), "opened.a was a text, and is now a whole number"),
    (INT(), TEXT(), "opened.a was a whole number, and is now a text"),
    (fields.Float(), INT(), "opened.a was a number, and is now a whole number"),
    (fields.Raw(), TEXT(), "opened.a was any value, and is now a text"),
    (fields.Boolean(), TEXT(), "opened.a was true or false, and is now a text"),
    (INT(), INT(strict=True), "opened.a now refuses fractions and texts (strict)"),
    (TEXT(), fields.UUID(), "opened.a now takes only the format 'uuid'"),
    (fields.IP(), fields.IPv4(), "opened.a now takes only the format 'ipv4'"),
    (
        fields.Date(),
        fields.Date(format="%d.%m.%Y"),
        "opened.a now takes only the format '%d.%m.%Y'",
    ),
    (fields.DateTime(), fields.AwareDateTime(), "opened.a now has its offset from UTC needed"),
    (fields.DateTime(), fields.NaiveDateTime(), "opened.a now has its offset from UTC refused"),
    (text(validate.Length(max=9)), text(validate.Length(max=5)), "a length of at most 5"),
    (TEXT(), text(validate.Length(equal=5)), "a length of at least 5"),
    (number(between(0, 9)), number(between(1, 9)), "opened.a must now be at least 1"),
    (number(between(0, 9)), number(between(0, 8)), "opened.a must now be at most 8"),
    (
        number(between(0, None)),
        number(between(0, None, min_inclusive=False)),
        "opened.a must now be above 0",
    ),
    (
        fields.Decimal(validate=between(Decimal(0), Decimal("9.5"))),
        fields.Decimal(validate=between(Decimal(0), Decimal("9.25"))),
        "opened.a must now be at most 9.25",
    ),
    (
        fields.Date(validate=between(date(2026, 1, 1), None)),
        fields.Date(validate=between(date(2026, 2, 1), None)),
        "opened.a must now be at least 2026-02-01",
    ),
    (
        fields.Date(validate=validate.OneOf([date(2026, 1, 1), date(2026, 2, 1)])),
        fields.Date(validate=validate.OneOf([date(2026, 1, 1)])),
        'opened.a no longer takes "2026-02-01"',
    ),
    (text(), text(validate.Regexp("a+")), "opened.a now has the pattern 'a+'"),
    (text(), text(validate.NoneOf(["a"])), 'opened.a now refuses "a"'),
    (text(own), text(own, other), 'opened.a has a new rule "other"'),
    (TEXT(), fields.Email(), "opened.a now takes only the format 'email'"),
    (
        fields.Url(schemes={"http", "ftp"}),
        fields.Url(schemes={"http"}),
        'opened.a no longer takes "ftp"',
    ),
    (fields.Url(relative=True), fields.Url(), "opened.a no longer takes a relative URL"),
    (
        fields.Url(require_tld=False),
        fields.Url(),
        "opened.a no longer takes a URL without a domain",
    ),
    (fields.Enum(Large), fields.Enum(Small), 'opened.a no longer takes "B"'),
    (fields.Enum(Large, by_value=True), fields.Enum(Large), 'opened.a no longer takes "a", "b"'),
    (fields.Constant("web"), fields.Constant("app"), None),
    (fields.Constant("web"), text(RULE), 'opened.a no longer takes "web"'),
    (fields.List(TEXT()), TEXT(), "opened.a was a list, and is now a text"),
    (fields.List(TEXT()), fields.List(INT()), "opened.a[] was a text, and is now a whole number"),
    (
        fields.List(TEXT(), validate=validate.ContainsOnly(["a", "b"])),
        fields.List(TEXT(), validate=validate.ContainsOnly(["a"])),
        'opened.a[] no longer takes "b"',
    ),
    (
        fields.Tuple([TEXT(), TEXT()]),
        fields.Tuple([TEXT(), INT()]),
        "opened.a[1] was a text, and is now a whole number",
    ),
    (fields.Tuple([TEXT(), TEXT()]), fields.Tuple([TEXT()]), "opened.a now has 1 items"),
    (fields.Dict(), fields.Dict(values=INT()), "opened.a[] was any value, and is now"),
    (fields.Dict(), fields.Dict(keys=text(RULE)), 'opened.a(keys) now takes only "a", "b"'),
    (fields.Dict(), fields.Nested(Ruled), "opened.a was a dict, and is now a nested object"),
    (
        fields.Nested(schema_of(b=fields.List(fields.Nested(schema_of(c=TEXT()))))),
        fields.Nested(schema_of(b=fields.List(fields.Nested(schema_of(c=INT()))))),
        "opened.a.b[].c was a text, and is now a whole number",
    ),
    (
        fields.Raw(metadata={"ts": "string"}),
        fields.Raw(metadata={"ts": "number"}),
        "opened.a now takes number (Raw)",
    ),
]
WIDER_FIELDS = [
    (TEXT(required=True), TEXT()),
    (TEXT(), TEXT(allow_none=True)),
    (TEXT(required=True), TEXT(load_default="a")),
    (TEXT(), fields.Raw()),
    (text(RULE), TEXT()),
    (text(RULE), text(validate.OneOf(["c", "b", "a"]))),
    (INT(), fields.Float()),
    (INT(), fields.Decimal()),
    (INT(strict=True), INT()),
    (fields.Float(), fields.Decimal()),
    (INT(validate=validate.OneOf([1, 2])), fields.Float()),
    (fields.UUID(), TEXT()),
    (fields.IPv4(), fields.IP()),
    (fields.AwareDateTime(), fields.DateTime()),
    (text(validate.Length(2, 5)), text(validate.Length(1, 6))),
    (text(validate.Length(2, 5)), TEXT()),
    (text(validate.Length(min=1), validate.Length(min=3)), text(validate.Length(min=2))),
    (number(between(1, 2)), number(between(0, 2, min_inclusive=False))),
    (number(between(0, 2, min_inclusive=False)), number(between(0, 2))),
    (text(validate.Regexp("a+")), TEXT()),
    (text(validate.NoneOf(["a"])), TEXT()),
    (text(own, other), text(own)),
    (fields.Url(), fields.Url(relative=True)),
    (fields.Url(schemes={"http"}), fields.Url(schemes={"http", "ftp"})),
    (fields.Enum(Small), fields.Enum(Large)),
    (fields.Enum(Large, by_value=True), TEXT()),
    (fields.Enum(Large), text(validate.OneOf(["A", "B", "C"]))),
    (TEXT(), fields.Constant("web")),
    (fields.Tuple([TEXT(), TEXT()]), fields.List(TEXT())),
    (fields.Nested(schema_of(b=INT())), fields.Dict(values=INT())),
    (fields.Dict(values=INT()), fields.Dict()),
]
WIDER = [
    (schema_of(a=TEXT()), schema_of(a=TEXT(), b=TEXT())),
    (schema_of(a=TEXT()), None),
    (schema_of(a=TEXT(), b=TEXT()), with_unknown(INCLUDE, a=TEXT())),
    (schema_of(a=TEXT(), b=TEXT()), with_unknown(EXCLUDE, a=TEXT())),
    (with_unknown(EXCLUDE, a=TEXT()), with_unknown(INCLUDE, a=TEXT())),
    (Ruled, schema_of(a=TEXT())),
]
NARROWER = [
    (None, schema_of(a=TEXT()), "opened took any payload, and now has a schema"),
    (schema_of(a=TEXT(), b=TEXT()), schema_of(a=TEXT()), "opened.b is no longer a field"),
    (schema_of(), schema_of(a=TEXT(required=True)), "opened.a is new, and required"),
    (
        with_unknown(EXCLUDE),
        with_unknown(RAISE),
        "opened now refuses fields that its schema does not name",
    ),
    (schema_of(a=TEXT()), Ruled, 'opened has a new rule "check_a"'),
]


@pytest.mark.parametrize(("last", "now", "said"), NARROWER_FIELDS)
def test_a_narrower_field_is_found(last: fields.Field, now: fields.Field, said: str | None) -> None:
    lines = found_in_field(last, now)
    if said is None:  # whatever is sent, a Constant takes it
        assert not lines
        return
    assert any(said in line for line in lines), lines
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize(("last", "now"), WIDER_FIELDS)
def test_a_wider_field_is_not(last: fields.Field, now: fields.Field) -> None:
    assert found_in_field(last, now) == []


@pytest.mark.parametrize(("last", "now", "said"), NARROWER)
def test_a_narrower_schema_is_found(
    last: type[Schema] | None, now: type[Schema], said: str
) -> None:
    assert found(last, now) == [said]


@pytest.mark.parametrize(("last", "now"), WIDER)
def test_a_wider_schema_is_not(last: type[Schema], now: type[Schema] | None) -> None:
    assert found(last, now) == []


def test_a_type_that_is_gone_is_found() -> None:
    last = snapshot(declared(["opened", "closed"], {}))
    assert [str(each) for each in refusals(last, types_of(None))] == [
        "closed is no longer an event type"
    ]
    assert refusals(snapshot(types_of(None)), declared(["opened", "more"], {})) == []


def test_a_schema_that_contains_itself_is_compared_once() -> None:
    class Node(Schema):
        name = TEXT()
        below = fields.List(fields.Nested(lambda: Node()))

    last = Node

    class Node(Schema):  # type: ignore[no-redef]
        name = INT()
        below = fields.List(fields.Nested(lambda: Node()))

    assert found(last, Node) == ["opened.name was a text, and is now a whole number"]


@settings(
    max_examples=3,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_what_was_accepted_is_accepted_where_nothing_is_found(data: st.DataObject) -> None:
    """Compares each sort of field with each other one."""
    schemas = [schema_of(a=sort.make()) for sort in LEAVES]
    payloads = [[{"a": data.draw(sort.taken)} for _ in range(4)] for sort in LEAVES]
    quiet = 0
    for last, tried in zip(schemas, payloads, strict=True):
        for now in schemas:
            if not found(last, now):
                quiet += last is not now
                accepted = [payload for payload in tried if not last().validate(payload)]
                assert [now().validate(payload) for payload in accepted] == [{}] * len(accepted)
    assert quiet > 50


@settings(
    max_examples=150,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_nor_is_it_missed_inside_of_lists_and_objects(data: st.DataObject) -> None:
    """Compares random fields, of which the second is often like the first."""
    first = data.draw(sorts())
    second = data.draw(st.just(first) | st.sampled_from(LEAVES) | sorts())
    last, now = (_field(sort, data.draw(options_of_field())) for sort in (first, second))
    last_schema, now_schema = schema_of(a=last), schema_of(a=now)
    assume(not found(last_schema, now_schema))
    payloads = st.fixed_dictionaries({}, optional={"a": first.taken | st.none()})
    for payload in data.draw(st.lists(payloads, min_size=3, max_size=3)):
        if not last_schema().validate(payload):
            assert now_schema().validate(payload) == {}, (last, now)


def _field(sort: Sort, options: dict[str, Any]) -> fields.Field:
    try:
        return sort.make(**options)
    except ValueError:
        return sort.make()


def test_the_snapshot_is_stable_and_readable() -> None:
    text_of_it = snapshot(types_of(schema_of(price=fields.Float(required=True), note=TEXT())))
    assert text_of_it == snapshot(
        types_of(schema_of(price=fields.Float(required=True), note=TEXT()))
    )
    assert json.loads(text_of_it) == {
        "version": 1,
        "event_types": {"opened": {"kind": "object", "of": "Opened"}},
        "objects": {
            "Opened": {
                "unknown": "refused",
                "fields": {
                    "price": {"required": True, "kind": "number"},
                    "note": {"kind": "text"},
                },
            }
        },
    }
    marketplace = declared(PAYLOAD_SCHEMAS, {})
    assert refusals(snapshot(marketplace), marketplace) == []


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("no", "it is not JSON"),
        ("[]", "it has the version None, and 1 can be read"),
        ('{"version": 2}', "it has the version 2, and 1 can be read"),
        ('{"version": 1}', "it lacks what a snapshot has"),
        ('{"version": 1, "event_types": {"opened": {}}, "objects": {}}', "it lacks what"),
        ('{"version": 1, "event_types": [], "objects": {}}', "it lacks what"),
        (
            '{"version": 1, "event_types": {"a": {"kind": "object", "of": "X"}}, "objects": {}}',
            "it lacks what",
        ),
    ],
)
def test_what_is_no_snapshot_is_refused(damaged: str, said: str) -> None:
    with pytest.raises(NotASnapshot, match=said):
        refusals(damaged, declared([EventType("a", schema_of(a=TEXT())), "opened"], {}))
