"""What a declared schema loads and dumps is what is stored, and what it refuses has a code."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from marshmallow import (
    EXCLUDE,
    INCLUDE,
    RAISE,
    Schema,
    ValidationError,
    fields,
    post_dump,
    post_load,
    pre_load,
    validate,
    validates_schema,
)

from tcs_events import EventInvalid, EventType, create_blueprint, strict_json
from tcs_events.event_types.event_type import declared
from tcs_events.event_types.payload_form import PayloadForm
from tcs_events.event_types.schemas import event_schema
from tcs_events.intake.reader import Reader
from tcs_events.intake.scrub import Scrubber
from tests.conftest import MakeHost
from tests.support import stored

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LONG = "0.10000000000000000000000001"
UUID = "5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11"
MISSING = "Missing data for required field."


class Plan(enum.Enum):
    FREE = "f"
    PRO = "p"


def schema_of(unknown: str = RAISE, **declared_fields: Any) -> type[Schema]:
    meta = type("Meta", (), {"unknown": unknown})
    return type("Payload", (Schema,), {"Meta": meta, **declared_fields})


def keep(schema: type[Schema], payload: Any, **options: Any) -> Any:
    """Return what is stored of a payload, as a reader of the stored JSON gets it."""
    reader = Reader(event_schema(declared({"booked": schema}, {})), **options)
    sent = {"event_type": "booked", "session_id": "s", "payload": payload}
    before = json.dumps(sent)
    try:
        event = reader.event(sent, True, NOW)
    finally:
        assert json.dumps(sent) == before  # hooks got a copy
    text = event.record()[3]
    strict_json.check(strict_json.parse(text.encode())[0])
    return json.loads(text)


def refusal(schema: type[Schema], payload: Any) -> list[tuple[str, str]]:
    with pytest.raises(EventInvalid) as caught:
        keep(schema, payload)
    assert json.dumps(caught.value.errors)
    return [(detail["path"], detail["code"]) for detail in caught.value.details]


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        (fields.Float(), "120.50", 120.5),
        (fields.Float(), 120, 120.0),
        (fields.Integer(), "7", 7),
        (fields.Integer(as_string=True), 7, "7"),
        (fields.Boolean(), "yes", True),
        (fields.Decimal(), "120.50", "120.50"),
        (fields.Decimal(), 0.1, "0.1"),
        (fields.Decimal(), "1E+3", "1000"),
        (fields.Decimal(as_string=True), LONG, LONG),
        (fields.Decimal(places=2), "3.14159", "3.14"),
        (fields.Enum(Plan), "PRO", "PRO"),
        (fields.Enum(Plan, by_value=True), "p", "p"),
        (fields.UUID(), f"{{{UUID.upper()}}}", UUID),
        (fields.Date(), "2026-03-01", "2026-03-01"),
        (fields.Date(format="%d.%m.%Y"), "01.03.2026", "01.03.2026"),
        (fields.DateTime(), "2026-03-01T09:30:00+01:00", "2026-03-01T09:30:00+01:00"),
        (fields.Time(), "09:30:00", "09:30:00"),
        (fields.TimeDelta(), 90, 90.0),
        (fields.IP(), "2001:0db8::0001", "2001:db8::1"),
        (fields.Constant("web"), "app", "web"),
        (fields.Tuple((fields.Integer(), fields.Date())), ["1", "2026-03-01"], [1, "2026-03-01"]),
        (fields.List(fields.Float()), ["1", 2], [1.0, 2.0]),
        (fields.List(fields.Decimal()), ["1.10"], ["1.10"]),
        (fields.Dict(keys=fields.Integer(), values=fields.Decimal()), {"1": "2.0"}, {"1": "2.0"}),
        (fields.Nested(schema_of(n=fields.Integer())), {"n": "5"}, {"n": 5}),
        (fields.Nested(schema_of(n=fields.Decimal()), many=True), [{"n": 5}] * 2, [{"n": "5"}] * 2),
        (fields.Pluck(schema_of(n=fields.Integer()), "n"), "5", 5),
        (fields.Raw(), {"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        (fields.Integer(allow_none=True), None, None),
        (fields.Decimal(allow_none=True), None, None),
        (fields.Function(serialize=lambda _: Plan.PRO, deserialize=lambda sent: sent), "any", "p"),
    ],
)  # fmt: skip
def test_a_value_is_stored_as_its_field_dumps_it(field: Any, sent: Any, kept: Any) -> None:
    assert keep(schema_of(value=field), {"value": sent}) == {"value": kept}


def test_defaults_are_filled_in() -> None:
    schema = schema_of(
        plan=fields.String(load_default="free"),
        price=fields.Decimal(load_default="0.50"),
        tags=fields.List(fields.String(), load_default=list),
        seen=fields.Boolean(dump_default=False),
        room=fields.Nested(schema_of(beds=fields.Integer(load_default=2))),
        note=fields.String(),
    )
    assert keep(schema, {"room": {}}) == {
        "plan": "free",
        "price": "0.50",
        "tags": [],
        "seen": False,
        "room": {"beds": 2},
    }


def test_a_field_is_stored_under_the_name_by_which_it_is_sent() -> None:
    schema = schema_of(
        source=fields.String(data_key="from"), day=fields.Date(attribute="inner.day")
    )
    sent = {"from": "list", "day": "2026-03-01"}
    assert keep(schema, sent) == sent


def test_what_is_only_loaded_is_checked_and_not_stored_and_what_is_only_dumped_is_computed() -> (
    None
):
    schema = schema_of(
        secret=fields.Integer(load_only=True),
        total=fields.Function(lambda loaded: loaded["n"] * 2),
        n=fields.Integer(),
    )
    assert keep(schema, {"secret": 5, "n": 4}) == {"total": 8, "n": 4}
    assert keep(schema_of(secret=fields.String(load_only=True)), {"secret": "x"}) == {}
    assert refusal(schema, {"secret": "x", "total": 1}) == [
        ("payload.secret", "type"),
        ("payload.total", "unplanned"),
    ]


def nested(unknown: str, **more: Any) -> type[Schema]:
    inner = schema_of(unknown, at=fields.Date())
    return schema_of(
        unknown,
        at=fields.Date(),
        one=fields.Nested(inner),
        many=fields.Nested(inner, many=True),
        list=fields.List(fields.Nested(inner)),
        by_name=fields.Dict(values=fields.Nested(inner)),
        pair=fields.Tuple((fields.Nested(inner), fields.Integer())),
    )


def nested_payload(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "one": item, "many": [item], "list": [{}, item], "by_name": {"a": item},
            "pair": [item, 1]}  # fmt: skip


def test_unknown_fields_go_by_the_rule_of_the_schema_at_every_depth() -> None:
    known = {"at": "2026-03-01"}
    payload = nested_payload({**known, "more": {"a": [1]}})
    assert keep(nested(INCLUDE), payload) == payload
    assert keep(nested(EXCLUDE), payload) == nested_payload(known)
    places = ["", ".one", ".many[0]", ".list[1]", ".by_name.a.value", ".pair[0]"]
    assert sorted(refusal(nested(RAISE), payload)) == sorted(
        (f"payload{place}.more", "unplanned") for place in places
    )


def test_plain_fields_keep_their_unknown_neighbours_too() -> None:
    inner = schema_of(INCLUDE, n=fields.Integer())
    schema = schema_of(INCLUDE, n=fields.Integer(), rooms=fields.List(fields.Nested(inner)))
    kept = keep(schema, {"n": "1", "more": 2, "rooms": [{"n": "3", "more": [4]}]})
    assert kept == {"n": 1, "more": 2, "rooms": [{"n": 3, "more": [4]}]}


def test_the_rule_of_a_nested_field_wins_over_that_of_its_schema() -> None:
    inner = schema_of(RAISE, at=fields.Date())
    schema = schema_of(RAISE, room=fields.Nested(inner, unknown=INCLUDE))
    assert keep(schema, {"room": {"more": 1}}) == {"room": {"more": 1}}


def test_an_unknown_field_never_takes_the_place_of_a_declared_one() -> None:
    """Loading alone would put `source` where it has put what it has loaded of `from`."""
    schema = schema_of(
        INCLUDE,
        source=fields.String(data_key="from"),
        total=fields.Integer(dump_only=True),
        more=fields.Raw(),
    )
    assert keep(schema, {"from": "a", "other": 1}) == {"from": "a", "other": 1}
    assert refusal(schema, {"from": "a", "source": [1], "total": "x"}) == [
        ("payload.source", "unplanned"),
        ("payload.total", "unplanned"),
    ]


class Node(Schema):
    price = fields.Decimal(required=True)
    left = fields.Nested(lambda: Node())
    below = fields.List(fields.Nested(lambda: Node()))


def test_a_schema_may_contain_itself() -> None:
    tree = {"price": "1.0"}
    for _ in range(9):
        tree = {"price": "1.0", "left": tree, "below": [tree]} if len(str(tree)) < 500 else {
            "price": "1.0", "left": tree}  # fmt: skip
    assert keep(Node, tree) == tree
    wrong = {"price": "1.0", "below": [{"price": "1", "below": [{"price": "1", "left": {}}]}]}
    assert refusal(Node, wrong) == [("payload.below[0].below[0].left.price", "required")]


class Choice(enum.Enum):
    A = 1


@pytest.mark.parametrize(
    ("field", "sent", "code"),
    [
        (fields.String(required=True), ..., "required"),
        (fields.String(required=True, error_messages={"required": "We need it."}), ..., "required"),
        (fields.String(), 5, "type"),
        (fields.String(error_messages={"invalid": "Please, a text."}), 5, "type"),
        (fields.String(), None, "type"),
        (fields.Integer(strict=True), 1.5, "type"),
        (fields.Date(), "tomorrow", "type"),
        (fields.UUID(), "x", "type"),
        (fields.Email(), 5, "type"),
        (fields.Email(), "nobody", "not_allowed"),
        (fields.Url(), "nowhere", "not_allowed"),
        (fields.Enum(Choice), "B", "not_allowed"),
        (fields.String(validate=validate.OneOf(["a"])), "b", "not_allowed"),
        (fields.Integer(validate=validate.Range(min=1)), 0, "not_allowed"),
        (fields.Tuple((fields.Integer(),)), [1, 2], "not_allowed"),
        (fields.Float(), "NaN", "type"),
        (fields.Float(allow_nan=True), "NaN", "type"),
        (fields.Float(allow_nan=True), "Infinity", "type"),
        (fields.Decimal(allow_nan=True), "-Infinity", "type"),
        (fields.Decimal(), "sNaN", "type"),
        (fields.Decimal(as_string=True), "1E+999999999", "not_allowed"),
        (fields.Decimal(), "1E-999999999", "not_allowed"),
        (fields.Decimal(), "0E+999999999", "not_allowed"),
        (fields.Integer(), "9007199254740992", "not_allowed"),
        (fields.Float(), "1e300", "not_allowed"),
        (fields.Integer(as_string=True), "9" * 4000, "not_allowed"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_path_and_a_code(field: Any, sent: Any, code: str) -> None:
    payload = {} if sent is ... else {"a value": sent}
    schema = type("Payload", (Schema,), {"value": field})
    field.data_key = "a value"
    assert refusal(schema, payload) == [('payload["a value"]', code)]


def test_a_translated_message_is_a_text_and_has_its_code() -> None:
    class Lazy:
        def __str__(self) -> str:
            return "Fehlt."

    schema = schema_of(plan=fields.String(required=True, error_messages={"required": Lazy()}))  # type: ignore[dict-item]
    assert refusal(schema, {}) == [("payload.plan", "required")]


def test_the_details_say_what_the_errors_say() -> None:
    inner = schema_of(price=fields.Decimal(required=True))
    schema = schema_of(rooms=fields.Nested(inner, many=True), plan=fields.String())
    sent = {"rooms": [{"price": "1"}, {}, {"price": "x"}], "plan": 1, "a.b": 2}
    with pytest.raises(EventInvalid) as caught:
        keep(schema, sent)
    assert sorted(caught.value.details, key=lambda detail: detail["path"]) == [
        {"path": "payload.plan", "code": "type", "message": "Not a valid string."},
        {"path": "payload.rooms[1].price", "code": "required", "message": MISSING},
        {"path": "payload.rooms[2].price", "code": "type", "message": "Not a valid number."},
        {"path": 'payload["a.b"]', "code": "unplanned", "message": "Unknown field."},
    ]  # fmt: skip
    assert json.loads(json.dumps(caught.value.errors)) == {
        "payload": {
            "rooms": {
                "1": {"price": [MISSING]},
                "2": {"price": ["Not a valid number."]},
            },
            "plan": ["Not a valid string."],
            "a.b": ["Unknown field."],
        }
    }


def test_there_are_at_most_a_hundred_details() -> None:
    with pytest.raises(EventInvalid) as caught:
        keep(schema_of(), {f"f{number}": 1 for number in range(500)})
    assert (len(caught.value.details), len(caught.value.errors["payload"])) == (100, 500)  # type: ignore[arg-type]


def test_hooks_of_the_host_run_as_marshmallow_runs_them() -> None:
    class Hooked(Schema):
        plan = fields.String()
        price = fields.Decimal()

        @pre_load
        def lower(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
            data["plan"] = data.pop("PLAN")
            return data

        @validates_schema
        def check(self, data: dict[str, Any], **_: Any) -> None:
            if data["plan"] == "none":
                raise ValidationError("No plan.", "plan")

        @post_load
        def make(self, data: dict[str, Any], **_: Any) -> object:
            return Booking(**data)

        @post_dump
        def add(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
            return {**data, "at": NOW}

    @dataclass
    class Booking:
        plan: str
        price: Any

    sent = {"PLAN": "pro", "price": "1.50"}
    assert keep(Hooked, sent) == {"plan": "pro", "price": "1.50", "at": NOW.isoformat()}
    assert refusal(Hooked, {"PLAN": "none", "price": 1}) == [("payload.plan", "not_allowed")]


def hooked(hook: Any, returned: Any) -> type[Schema]:
    def run(self: Schema, data: Any, **_: Any) -> Any:
        return returned(data)

    return type("Hooked", (Schema,), {"n": fields.Raw(allow_none=True), "run": hook(run)})


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (hooked(post_load, lambda _: None), "a post_load hook returned None"),
        (hooked(post_dump, lambda _: [1]), "the dump is a list, not a dict"),
        (hooked(post_dump, lambda _: {"n": object()}), "a object is not JSON"),
        (hooked(post_dump, lambda _: {"n": float("nan")}), "NaN and Infinity are not JSON"),
        (hooked(post_dump, lambda _: {(1, 2): 3}), "a tuple is not the name of a field"),
        (hooked(post_dump, lambda data: 1 / 0), "ZeroDivisionError"),
        (hooked(pre_load, lambda data: 1 / 0), "ZeroDivisionError"),
        (hooked(pre_load, lambda data: data["secret"]), "KeyError"),
        (schema_of(n=fields.Raw(validate=lambda n: {}[n])), "KeyError"),
        (schema_of(n=fields.Integer(), t=fields.Function(lambda loaded: loaded["x"])), "KeyError"),
    ],
)  # fmt: skip
def test_a_schema_that_fails_refuses_and_is_logged_once(schema: type[Schema], reason: str) -> None:
    reader = Reader(event_schema(declared({"booked": schema}, {})))
    sent = {"event_type": "booked", "session_id": "s", "payload": {"n": 5}}
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(EventInvalid) as caught:
                reader.event(sent, False, NOW)
            [detail] = caught.value.details
            assert (detail["path"], detail["code"]) == ("payload", "not_allowed")
    [line] = lines
    assert line["event"] == "tcs_events.schema_failed"
    assert (line["event_type"], line["reason"]) == ("booked", reason)
    assert re.search(r"\.py:\d+$", line["where"])


def test_each_event_type_whose_schema_fails_is_logged() -> None:
    types = {name: hooked(post_load, lambda _: None) for name in ("booked", "left")}
    reader = Reader(event_schema(declared(types, {})))
    with structlog.testing.capture_logs() as lines:
        for event_type in [*types, *types]:
            with pytest.raises(EventInvalid):
                reader.event({"event_type": event_type, "session_id": "s"}, False, NOW)
    assert [line["event_type"] for line in lines] == list(types)


@pytest.mark.parametrize("returned", [None, [], "x", 5])
def test_a_pre_load_hook_that_returns_no_dict_refuses(returned: Any) -> None:
    assert refusal(hooked(pre_load, lambda _: returned), {}) == [("payload", "type")]


@pytest.mark.parametrize("value", ["\0", "\ud800", 2**53, "deep"])
def test_what_a_hook_makes_is_checked_as_what_is_sent(value: Any) -> None:
    def deep() -> Any:
        found: Any = 1
        for _ in range(31):
            found = [found]
        return found

    made = deep() if value == "deep" else value
    assert refusal(hooked(post_dump, lambda _: {"n": made}), {}) == [("payload", "not_allowed")]


def test_defaults_cannot_make_a_payload_many_times_as_long() -> None:
    room = schema_of(text=fields.String(load_default="x" * 1000))
    schema = schema_of(rooms=fields.List(fields.Nested(room)))
    form = PayloadForm("booked", schema, max_bytes=10_000)
    assert len(form.stored({"rooms": [{}] * 9})["rooms"]) == 9
    with pytest.raises(ValidationError, match="longer than 10000 bytes"):
        form.stored({"rooms": [{}] * 10})


def test_scrubbing_runs_on_what_is_stored() -> None:
    schema = schema_of(phone=fields.Integer(), note=fields.String(load_default="ada@example.com"))
    scrub = Scrubber({"phone", "note"})
    assert keep(schema, {"phone": "4915112345"}, scrub=scrub) == {
        "phone": "[number]",
        "note": "[email]",
    }


def test_the_host_s_own_schemas_stay_as_they_are() -> None:
    room = schema_of(
        INCLUDE,
        price=fields.Decimal(allow_nan=True),
        all=fields.List(fields.Decimal()),
        x=fields.String(data_key="y"),
    )()
    schema = schema_of(rooms=fields.List(fields.Nested(room)))
    PayloadForm("booked", schema)
    large = 10**2000
    loaded = room.load({"price": "1E+2000", "x": 5, "all": ["1E+2000"]})
    assert loaded == {"price": large, "x": 5, "all": [large]}
    assert type(room.fields["price"].error_messages["required"]) is str
    assert str(schema().load({"rooms": [{"price": "NaN"}]})["rooms"][0]["price"]) == "NaN"


class Booking(Schema):
    price = fields.Decimal(required=True)
    plan = fields.Enum(Plan, load_default=Plan.FREE)
    nights = fields.Integer(validate=validate.Range(min=1))


@pytest.mark.parametrize("path", ["/api/events", "/api/events/batch"])
def test_the_endpoint_stores_and_answers_so(
    make_host: MakeHost, database_url: str, path: str
) -> None:
    app = make_host(database_url, create_blueprint(event_types=[EventType("booked", Booking)]))
    good = {"event_type": "booked", "session_id": "s", "payload": {"price": 120.5, "nights": "2"}}
    bad = {**good, "payload": {"price": "1", "nights": 0}}

    def send(event: Any) -> Any:
        body = {"events": [event]} if path.endswith("batch") else event
        return app.test_client().post(path, json=body)

    assert send(good).status_code == 202
    [row] = stored(app)
    payload = row["payload"] if isinstance(row["payload"], dict) else json.loads(row["payload"])
    assert payload == {"price": "120.5", "plan": "FREE", "nights": 2}
    answer = send(bad)
    assert answer.status_code == 422
    said = answer.json["rejected"][0] if path.endswith("batch") else answer.json
    [detail] = said["details"]
    assert (detail["path"], detail["code"]) == ("payload.nights", "not_allowed")
    assert said["errors"] == {"payload": {"nights": [detail["message"]]}}
