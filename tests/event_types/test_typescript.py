"""The TypeScript of the declared types admits what their schemas accept, and nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import enum
import json
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import (
    EXCLUDE,
    INCLUDE,
    Schema,
    ValidationError,
    fields,
    pre_load,
    validate,
    validates_schema,
)

from tcs_events import ConfigError, EventType
from tcs_events.event_types.event_type import EventTypes, declared
from tcs_events.event_types.typescript import payload_types, typescript
from tests.event_types.random_schemas import Amount, Plan, schema_of, schemas
from tests.frontend.compiler import errors, need_compiler


def types_of(**schemas: type[Schema] | None) -> EventTypes:
    return declared([EventType(name, schema) for name, schema in schemas.items()], {})


def admitted(
    folder: Path, schemas: list[type[Schema]], values: list[tuple[int, Any]]
) -> list[bool]:
    """Return for each value, given with the place of its schema, whether its type admits it."""
    names = {f"e{place}": schema for place, schema in enumerate(schemas)}
    text = payload_types(types_of(**names))
    lines = [
        f'export const v{place}: EventPayloads["e{schema}"] = {json.dumps(value)};'
        for place, (schema, value) in enumerate(values)
    ]
    file = folder / "values.ts"
    file.write_text(text + "\n".join(lines) + "\n")
    first = len(text.splitlines()) + 1
    found = errors(file)
    assert not [line for line in found if line < first], text
    return [first + place not in found for place in range(len(lines))]


def test_a_type_admits_what_its_schema_accepts_and_nothing_else(tmp_path: Path) -> None:
    need_compiler()
    found: list[type[Schema]] = []
    tried: list[tuple[int, Any]] = []

    @settings(
        max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        schema, taken, others = data.draw(schemas())
        drawn = [data.draw(values) for values in (taken, others, others)]
        tried.extend((len(found), value) for value in drawn)
        found.append(schema)

    collect()
    accepted = [not found[place]().validate(value) for place, value in tried]
    share = sum(accepted) / len(accepted)
    assert 0.3 < share < 0.9, share
    for (place, value), by_type, by_schema in zip(
        tried, admitted(tmp_path, found, tried), accepted, strict=True
    ):
        assert by_type == by_schema, (
            f"{json.dumps(value)}: {found[place]().validate(value)}\n"
            f"{payload_types(types_of(e=found[place]))}"
        )


# Where the two differ: the list in the guide.


class Checked(Schema):
    low = fields.Integer()
    high = fields.Integer()

    @validates_schema
    def check(self, data: Any, **_: Any) -> None:
        if data["low"] > data["high"]:
            raise ValidationError("low is above high")


class Stripped(Schema):
    name = fields.String()

    @pre_load
    def strip(self, data: Any, **_: Any) -> Any:
        return data | {"name": str(data["name"])}


class Dropping(Schema):
    class Meta:
        unknown = EXCLUDE


def refuse(value: object) -> None:
    raise ValidationError("no")


REFUSED_BY_THE_SCHEMA = [
    (fields.Integer(validate=validate.Range(min=1)), 0),
    (fields.String(validate=validate.Length(max=2)), "abc"),
    (fields.List(fields.Integer(), validate=validate.Length(equal=2)), [1]),
    (fields.String(validate=validate.Regexp("[a-c]+$")), "d"),
    (fields.String(validate=validate.NoneOf(["a"])), "a"),
    (fields.String(validate=refuse), "a"),
    (fields.Nested(Checked), {"low": 2, "high": 1}),
    (fields.Date(validate=validate.OneOf([date(2026, 3, 1)])), "2026-03-02"),
    (fields.Integer(strict=True), 1.5),
    (fields.Decimal(), "many"),
    (fields.DateTime(format="timestamp"), -1),
    *((kind(), "x") for kind in (fields.UUID, fields.Date, fields.Time, fields.DateTime)),
    *((kind(), "x") for kind in (fields.Email, fields.Url, fields.IP, fields.IPv4Interface)),
    (fields.Dict(keys=fields.Integer()), {"a": 1}),
    (fields.Nested(schema_of(length=fields.Integer(required=True))), [1]),
]
CONVERTED_BY_THE_SCHEMA = [
    (fields.Integer(), "5"),
    (fields.Float(), "0.5"),
    (fields.Integer(validate=validate.OneOf([1])), 1.5),
    (fields.TimeDelta(), True),
    (fields.Boolean(), "yes"),
    (fields.Boolean(), 1),
    (fields.Enum(Amount, by_value=fields.Integer), "2"),
    (fields.Raw(validate=validate.OneOf([1])), True),
    (fields.Constant("web"), "app"),
    (fields.Nested(Stripped), {"name": 5}),
    (fields.Nested(Dropping), {"more": 1}),
]


def test_where_the_two_differ_is_known(tmp_path: Path) -> None:
    need_compiler()
    pairs = REFUSED_BY_THE_SCHEMA + CONVERTED_BY_THE_SCHEMA
    found = [schema_of(value=field) for field, _ in pairs]
    values = [(place, {"value": value}) for place, (_, value) in enumerate(pairs)]
    accepted = [not found[place]().validate(value) for place, value in values]
    expected = [False] * len(REFUSED_BY_THE_SCHEMA) + [True] * len(CONVERTED_BY_THE_SCHEMA)
    assert accepted == expected
    assert admitted(tmp_path, found, values) == [not each for each in expected]


# The text.


class Guest(Schema):
    name = fields.String(required=True)
    brings = fields.List(fields.Nested(lambda: Guest()))
    host = fields.Nested(lambda: Guest(only=("name", "brings.name")), allow_none=True)


class Booking(Schema):
    class Meta:
        unknown = INCLUDE

    plan = fields.Enum(Plan, required=True, metadata={"description": "What is paid */ for."})
    guests = fields.List(fields.Nested(Guest), required=True)
    price = fields.Decimal(allow_none=True, metadata={"deprecated": True})
    source = fields.String(validate=validate.OneOf([f"page number {n}" for n in range(6)]))
    room_id = fields.UUID(data_key="room-id", load_default=None)
    shown = fields.String(dump_only=True)
    total = fields.Function(lambda booking: 1)


def same_name() -> type[Schema]:
    class Guest(Schema):
        age = fields.Integer()

    class Record(Schema):
        guest = fields.Nested(Guest)

    return Record


HOST = declared(
    [
        EventType("booking_done", Booking, help="Booked a room.\nAnd  paid."),
        EventType("booking.undone", Booking, deprecated=True),
        EventType("guest", same_name()),
        EventType("2nd_look", help="Came back."),
        EventType("nothing", Dropping),
        EventType("filter_change"),
    ],
    {},
)
WRITTEN = """\
// Made by `flask tcs-events types --ts` from the event types that the server
// declares. Do not edit it: run the command again.
import type {} from "tcs-events";

/** Booked a room. And paid. */
export interface BookingDone {
  /** What is paid *\\/ for. */
  plan: "FREE" | "PRO" | "OLD";
  guests: Guest2[];
  /** @deprecated */
  price?: number | string | null | undefined;
  source?:
    | "page number 0"
    | "page number 1"
    | "page number 2"
    | "page number 3"
    | "page number 4"
    | "page number 5"
    | undefined;
  "room-id"?: string | null | undefined;
  [field: string]: unknown;
}

/** @deprecated */
export type BookingUndone = BookingDone;

export interface Guest {
  guest?: Guest5 | undefined;
}

/** Came back. */
export type Event2ndLook = Record<string, unknown>;

export interface Nothing {
  [field: string]: never;
}

export type FilterChange = Record<string, unknown>;

export interface Guest2 {
  name: string;
  brings?: Guest2[] | undefined;
  host?: Guest3 | null | undefined;
}

export interface Guest3 {
  name: string;
  brings?: Guest4[] | undefined;
}

export interface Guest4 {
  name: string;
}

export interface Guest5 {
  age?: number | undefined;
}

/** The payload of each event type. */
export interface EventPayloads {
  booking_done: BookingDone;
  /** @deprecated */
  "booking.undone": BookingUndone;
  guest: Guest;
  "2nd_look": Event2ndLook;
  nothing: Nothing;
  filter_change: FilterChange;
}

/** The arguments of `trackEvent`: for your own functions that pass them on. */
export type TrackedEvent = {
  [Name in keyof EventPayloads]: [event_type: Name, payload: EventPayloads[Name]];
}[keyof EventPayloads];

declare module "tcs-events" {
  interface EventTypes extends EventPayloads {}
}
"""


def test_the_file_is_as_a_person_would_write_it() -> None:
    assert typescript(HOST) == WRITTEN
    assert all(len(line) <= 82 for line in WRITTEN.splitlines())


def test_names_that_typescript_uses_itself_are_not_taken() -> None:
    class EventPayloads(Schema):
        tags = fields.Dict(values=fields.Nested(same_name()))

    text = payload_types(types_of(partial=EventPayloads, record=None, EventTypes=None))
    for name in ("Partial2", "Record2", "Record3", "EventTypes2"):
        assert f"export interface {name} {{" in text or f"export type {name} =" in text, name


PACKAGE = """\
export interface EventTypes {}
export type EventType = keyof EventTypes extends never ? string : keyof EventTypes;
export function trackEvent<T extends EventType>(
  event_type: T, payload: T extends keyof EventTypes ? EventTypes[T] : object): void;
"""
USES = """\
import { trackEvent } from "tcs-events";
import type { TrackedEvent } from "./events";
export const say = (...[name, payload]: TrackedEvent) => trackEvent(name, payload);
trackEvent("booking_done", { plan: "PRO", guests: [{ name: "Ada" }], more: 1 });
trackEvent("booking.undone", { plan: "PRO", guests: [] });
say("2nd_look", { any: ["thing"] });
trackEvent("booking_dome", { plan: "PRO", guests: [] });
trackEvent("booking_done", { guests: [] });
trackEvent("booking_done", { plan: "GOLD", guests: [] });
trackEvent("card_click", {});
say("guest", { guest: { age: "7" } });
"""


@pytest.mark.parametrize("module", ["tcs-events", "./tracking"])
def test_the_compiler_finds_what_the_endpoint_would_refuse(tmp_path: Path, module: str) -> None:
    need_compiler()
    package = tmp_path / "node_modules" / "tcs-events"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "tcs-events", "types": "index.d.ts"}')
    (package / "index.d.ts").write_text(PACKAGE)
    (tmp_path / "tracking.ts").write_text(
        "interface Filter { filter: string }\n"
        "export interface EventPayloads { filter_change: Filter }\n"
        "export function trackEvent<T extends keyof EventPayloads>(\n"
        "  event_type: T, payload: EventPayloads[T]) { return [event_type, payload]; }\n"
    )
    (tmp_path / "events.ts").write_text(typescript(HOST, module))
    uses = tmp_path / "uses.ts"
    uses.write_text(USES.replace("tcs-events", module))
    assert list(errors(tmp_path / "events.ts", uses)) == [7, 8, 9, 10, 11]


class Slug(fields.String):
    """One that only has another message."""

    default_error_messages: ClassVar = {"invalid": "Not a slug."}


class Point(fields.Field):  # type: ignore[type-arg]
    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return tuple(value)


class Shouted(fields.String):
    def _deserialize(self, *args: Any, **kwargs: Any) -> str:
        return super()._deserialize(*args, **kwargs).upper()


class Mask(enum.Flag):
    A = 1


class Pair(enum.Enum):
    A = (1, 2)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (Point(), "a field 'where' that is of the class Point"),
        (Shouted(), "of the class Shouted"),
        (fields.List(Point()), "a field 'where[]' that"),
        (fields.Tuple([fields.String(), Point()]), "a field 'where[1]' that"),
        (fields.Dict(values=Point()), "a field 'where[]' that"),
        (fields.Dict(keys=fields.Boolean()), "a field 'where(keys)' that is a key that is never"),
        (fields.Nested(schema_of(at=fields.List(Point()))), "a field 'where.at[]' that"),
        (fields.Function(deserialize=int), "of the class Function"),
        (fields.Constant([1]), "of the class Constant"),
        (fields.Enum(Mask, by_value=True), "an Enum by values that are not plain"),
        (fields.Enum(Pair, by_value=True), "an Enum by values that are not plain"),
        (fields.Nested(Guest(partial=True)), "a schema with `partial`"),
        (fields.Raw(metadata={"ts": " "}), "has ' ' as the metadata 'ts'. Write a TypeScript type"),
    ],
)
def test_a_field_whose_values_are_not_known_is_named(field: fields.Field, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        typescript(types_of(opened=schema_of(where=field)))
    message = str(caught.value)
    assert message.startswith("The event type 'opened' has ")
    assert said in message
    assert 'metadata={"ts": ' in message


def test_a_constant_is_required_only_where_marshmallow_asks_for_it() -> None:
    schema = schema_of(app=fields.Constant("web", required=True))
    text = payload_types(types_of(opened=schema))
    asked = bool(schema().validate({}))  # by marshmallow 3, and not by 4
    assert ('  app: "web";' if asked else '  app?: "web" | undefined;') in text


def test_a_host_may_say_what_its_own_field_takes() -> None:
    where = {"metadata": {"ts": "[number, number]"}}
    schema = schema_of(
        at=Point(required=True, **where),
        path=fields.List(Point(**where)),
        slug=Slug(allow_none=True),
    )
    text = payload_types(types_of(opened=schema))
    assert "  at: [number, number];" in text
    assert "  path?: ([number, number])[] | undefined;" in text
    assert "  slug?: string | null | undefined;" in text
