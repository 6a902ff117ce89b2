"""The views of event types: what their columns hold, and which views are touched."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from flask import Flask
from marshmallow import INCLUDE, Schema, fields
from sqlalchemy import Connection, insert, inspect, text

from tcs_events import EventType, UserEvent, roles
from tcs_events.errors import ConfigError
from tcs_events.migrations import create_views, drop_views
from tcs_events.sql_views.columns import Kind, columns_of, view_names
from tcs_events.strict_json import MAX_NUMBER
from tests.cli.asking import NOON, lines, run
from tests.conftest import MakeHost
from tests.databases import execute_in
from tests.drivers import POSTGRES_DRIVERS, database_by
from tests.support import need_module

NAMES = [
    "plain",
    "Price",
    "price",
    "id",
    "payload",
    "a.b",
    "a b",
    "a:b",
    ":name",
    "100%",
    "%(name)s",
    "%s",
    'a"b',
    "a'b",
    "a`b",
    "a\\b",
    "a\\",
    "$x",
    "[0]",
    " x ",
    "日本🦜",
    "é" * 100,
    "x" * 100,
    "x" * 100 + "y",
    "'; DROP TABLE user_events; --",
    "line\nbreak",
    "select",
]
"""The names of properties. Each has a column."""
FIELDS = {
    "a_text": (fields.String(), Kind.TEXT),
    "an_integer": (fields.Integer(), Kind.INTEGER),
    "a_float": (fields.Float(), Kind.FLOAT),
    "a_decimal": (fields.Decimal(), Kind.DECIMAL),
    "a_boolean": (fields.Boolean(), Kind.BOOLEAN),
    "a_date": (fields.Date(), Kind.DATE),
    "a_german_date": (fields.Date(format="%d.%m.%Y"), Kind.TEXT),
    "a_time": (fields.DateTime(), Kind.TEXT),
    "a_list": (fields.List(fields.String()), Kind.TEXT),
}
TYPED = Schema.from_dict({name: field for name, (field, _) in FIELDS.items()}, name="Typed")
ODD = Schema.from_dict(
    {f"field_{place}": fields.String(data_key=name) for place, name in enumerate(NAMES)},
    name="Odd",
)


class Loose(Schema):
    class Meta:
        unknown = INCLUDE


TYPES = [
    EventType("typed", TYPED),
    EventType("odd", ODD),
    EventType(
        "free", role=roles.Search(query="q", result_count="n"), break_down=("plan",), add_up=("p",)
    ),
    EventType("Größe.a:b", Loose),
]


@pytest.fixture
def view_host(make_host: MakeHost, database_url: str) -> Flask:
    return make_host(database_url, TCS_EVENTS_EVENT_TYPES=TYPES)


@pytest.fixture
def connection(view_host: Flask) -> Iterator[Connection]:
    """A connection to a host with its views."""
    assert lines(view_host, "views") == ["events_typed", "events_odd", "events_free", *OTHER]
    with view_host.app_context(), view_host.extensions["sqlalchemy"].engine.connect() as found:
        yield found


OTHER = ["events_gr__e_a_b"]


def put(connection: Connection, event_type: str, *payloads: Any) -> None:
    connection.execute(
        insert(UserEvent),
        [
            {
                "session_id": f"{place:06}",
                "event_type": event_type,
                "payload": payload,
                "created_at": NOON,
                "received_at": NOON,
            }
            for place, payload in enumerate(payloads)
        ],
    )


def read(connection: Connection, view: str) -> list[dict[str, Any]]:
    rows = connection.execute(text(f"SELECT * FROM {view} ORDER BY session_id"))
    return [dict(row) for row in rows.mappings()]


NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?", re.ASCII)


def truth(kind: Kind, value: Any) -> Any:
    """Return what a column holds of a value, by its definition."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case Kind.TEXT:
            return value if value is None or isinstance(value, str) else json.dumps(value)
        case Kind.INTEGER if is_number and abs(value) <= MAX_NUMBER and value == math.trunc(value):
            return int(value)
        case Kind.FLOAT if is_number and (value == 0 or 1e-300 <= abs(value) <= 1e300):
            return float(value)
        case Kind.DECIMAL:
            is_text = isinstance(value, str) and len(value) <= 200 and NUMBER.fullmatch(value)
            if is_number or is_text:
                return number if abs(number := Decimal(str(value))) <= Decimal("1e40") else None
        case Kind.BOOLEAN if isinstance(value, bool):
            return value
        case Kind.DATE if isinstance(value, str) and re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}", value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                return None
    return None


def same(kind: Kind, found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    match kind:
        case Kind.TEXT:
            if found == expected:
                return True
            found, expected = json.loads(found), json.loads(expected)
            is_float = isinstance(expected, float)  # SQLite writes 15 digits
            return math.isclose(found, expected) if is_float else bool(found == expected)
        case Kind.DATE:
            return str(found) == str(expected)
        case Kind.FLOAT | Kind.DECIMAL:
            return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-19)
    return bool(found == expected)


SHARP = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    1.5,
    -0.0,
    2**53 - 1,
    1e15,
    0.1,
    "",
    "0",
    "1",
    "-1.50",
    "1e5",
    "1e999",
    "1e-999",
    "1e4000",
    "007",
    "+1",
    ".5",
    "1.",
    " 1",
    "1\n",
    "0x10",
    "NaN",
    "Infinity",
    "1_000",
    "9" * 39,
    "9" * 41,
    "9" * 300,
    "true",
    "false",
    "null",
    "2026-03-01",
    "2026-02-29",
    "2024-02-29",
    "2026-02-30",
    "2026-04-31",
    "2026-12-31",
    "2026-13-01",
    "2026-00-01",
    "0000-01-01",
    "0001-01-01",
    "9999-12-31",
    "2026-3-1",
    "20260301",
    "2026-03-01T00:00:00",
    "2026-03-01\n",
    " 2026-03-01",
    "now",
    "today",
    "infinity",
    "\u0662\u0660\u0662\u0666-\u0660\u0663-\u0660\u0661",
    "{}",
    "[1]",
    {},
    [],
    {"a": "1"},
    ["x"],
    '"',
    "\\",
    "日本",
    "x" * 5000,
]


def any_value(random: Random) -> Any:
    """Return a value of some kind, or a text that nearly is one."""
    size = 10 ** random.randint(0, 13)
    number = random.choice([random.uniform(-1, 1), random.randint(-99, 99)]) * size
    digits = "".join(random.choices("0123456789-+.eE", k=random.randint(1, 8)))
    day = f"{random.randint(0, 9999):04}-{random.randint(0, 13):02}-{random.randint(0, 32):02}"
    odd = "".join(chr(random.choice([random.randint(1, 255), 0x65E5])) for _ in range(4))
    return random.choice([None, True, number, str(number), digits, day, odd, [number], {odd: day}])


def check(connection: Connection, values: list[Any]) -> None:
    """Check every column for every value, and leave nothing behind."""
    put(connection, "typed", *(dict.fromkeys(FIELDS, value) for value in values))
    rows = read(connection, "events_typed")
    connection.rollback()
    assert len(rows) == len(values)
    for value, row in zip(values, rows, strict=True):
        for name, (_, kind) in FIELDS.items():
            expected = truth(kind, value)
            assert same(kind, row[name], expected), (name, value, row[name], expected)


class TestColumns:
    def test_each_holds_values_of_its_type_and_null_for_all_others(
        self, connection: Connection
    ) -> None:
        check(connection, SHARP)

    @pytest.mark.parametrize("seed", range(2))
    def test_so_do_they_for_any_value(self, connection: Connection, seed: int) -> None:
        random = Random(seed)
        check(connection, [any_value(random) for _ in range(500)])

    def test_a_missing_property_is_null(self, connection: Connection) -> None:
        put(connection, "typed", {}, [], "text", {"other": 1})
        for row in read(connection, "events_typed"):
            assert {row[name] for name in FIELDS} == {None}

    def test_every_name_of_a_property_has_its_column(self, connection: Connection) -> None:
        put(connection, "odd", {name: f"value {place}" for place, name in enumerate(NAMES)})
        [row] = read(connection, "events_odd")
        assert len(row) == len(NAMES) + 7
        values = [value for name, value in row.items() if str(value).startswith("value ")]
        assert values == [f"value {place}" for place in range(len(NAMES))]
        assert (row["plain"], row["payload_id"], row["a.b"]) == ("value 0", "value 3", "value 5")
        changed = {" x ", "日本🦜", "price", "é" * 100, "x" * 100, "x" * 100 + "y"}
        assert {name for name in NAMES if name not in row} == changed

    def test_without_a_schema_they_are_those_of_the_role_and_of_the_reports(
        self, connection: Connection
    ) -> None:
        put(connection, "free", {"q": "yoga", "n": 3, "plan": "pro", "p": "12.50", "more": 1})
        [row] = read(connection, "events_free")
        assert (row["q"], row["n"], row["plan"], float(row["p"])) == ("yoga", 3, "pro", 12.5)

    def test_a_view_has_the_events_of_its_type_alone(self, connection: Connection) -> None:
        put(connection, "typed", {}, {})
        put(connection, "Größe.a:b", {})
        sizes = [len(read(connection, view)) for view in ("events_typed", "events_odd", *OTHER)]
        assert sizes == [2, 0, 1]

    def test_the_kinds_are_those_of_the_schema(self) -> None:
        kinds = {column.key: column.kind for column in columns_of(TYPES[0])}
        assert kinds == {name: kind for name, (_, kind) in FIELDS.items()}


def test_a_payload_that_is_not_json_fails_no_view(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    run(app, "views")
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        put(connection, "typed", {})
        put(connection, "odd", {})
        connection.execute(text("UPDATE user_events SET payload = '{\"a_float\": NaN'"))
        assert read(connection, "events_typed")[0]["a_float"] is None
        assert read(connection, "events_odd")[0]["plain"] is None


class TestNames:
    def test_types_that_would_share_a_name_do_not(self) -> None:
        names = view_names(["a.b", "a_b", "A_B", "c", "日本", "語学", "x" * 50])
        assert names["c"] == "events_c"
        assert len(set(names.values())) == 7
        assert all(re.fullmatch(r"events_\w{1,56}", name, re.ASCII) for name in names.values())


class TestWhoseViews:
    def test_making_them_again_replaces_them(self, view_host: Flask) -> None:
        run(view_host, "views")
        types = view_host.extensions["tcs_events"].settings.event_types
        types["typed"] = EventType("typed", break_down=("b", "a"))
        for _ in range(2):
            assert lines(view_host, "views")[0] == "events_typed"
        with view_host.app_context():
            names = inspect(view_host.extensions["sqlalchemy"].engine).get_columns("events_typed")
        assert [each["name"] for each in names][6:] == ["b", "a", "payload"]

    @pytest.mark.parametrize(
        "kind", ["TABLE events_odd (id integer)", "VIEW events_odd AS SELECT 1"]
    )
    def test_a_table_or_view_of_the_host_is_left_alone(self, view_host: Flask, kind: str) -> None:
        with view_host.app_context():
            engine = view_host.extensions["sqlalchemy"].engine
            with engine.begin() as connection:
                connection.execute(text(f"CREATE {kind}"))
        result = run(view_host, "views")
        assert result.exit_code == 1
        assert "table or view events_odd that tcs_events did not make" in result.stderr
        assert lines(view_host, "views", "--drop") == ["Dropped 0 views."]
        with view_host.app_context(), engine.connect() as connection:
            assert len(connection.execute(text("SELECT * FROM events_odd")).keys()) == 1
            assert "events_typed" not in inspect(connection).get_view_names()

    def test_drop_drops_ours_and_no_other(self, view_host: Flask) -> None:
        run(view_host, "views")
        with view_host.app_context():
            engine = view_host.extensions["sqlalchemy"].engine
            with engine.begin() as connection:
                connection.execute(text("CREATE VIEW events_of_mine AS SELECT * FROM events_odd"))
                connection.execute(text("DROP VIEW events_of_mine"))
                connection.execute(text("CREATE VIEW events_of_mine AS SELECT 1 AS one"))
        assert lines(view_host, "views", "--drop") == ["Dropped 4 views."]
        with view_host.app_context(), engine.connect() as connection:
            assert inspect(connection).get_view_names() == ["events_of_mine"]

    def test_the_printed_sql_makes_the_same_views(self, view_host: Flask) -> None:
        script = "\n".join(lines(view_host, "views", "--sql"))
        with view_host.app_context():
            engine = view_host.extensions["sqlalchemy"].engine
            with engine.begin() as connection:
                assert inspect(connection).get_view_names() == []
                driver = connection.connection.driver_connection
                for statement in script.split(";\n"):
                    if "events_typed" in statement and driver is not None:
                        driver.cursor().execute(statement.rstrip(";"))
                put(connection, "typed", {"a_float": 1.5})
                assert read(connection, "events_typed")[0]["a_float"] == 1.5


class TestMigrations:
    def test_a_migration_makes_and_drops_them(self, view_host: Flask) -> None:
        need_module("alembic")
        from alembic.migration import MigrationContext
        from alembic.operations import Operations

        with view_host.app_context():
            engine = view_host.extensions["sqlalchemy"].engine
            with engine.begin() as connection:
                op = Operations(MigrationContext.configure(connection))
                create_views(op, TYPES)
            with engine.begin() as connection:
                put(connection, "odd", {"100%": "x"})
                assert read(connection, "events_odd")[0]["100%"] == "x"
                op = Operations(MigrationContext.configure(connection))
                drop_views(op)
                assert inspect(connection).get_view_names() == []

    def test_autogenerate_sees_no_difference(self, view_host: Flask) -> None:
        need_module("alembic")
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        run(view_host, "views")
        with view_host.app_context():
            db = view_host.extensions["sqlalchemy"]
            with db.engine.connect() as connection:
                context = MigrationContext.configure(connection)
                assert compare_metadata(context, db.metadata) == []

    @pytest.mark.parametrize("dialect", ["postgresql", "sqlite", "mysql"])
    def test_offline_the_sql_is_written_down(self, dialect: str) -> None:
        need_module("alembic")
        from alembic.migration import MigrationContext
        from alembic.operations import Operations

        written = io.StringIO()
        context = MigrationContext.configure(
            dialect_name=dialect, opts={"as_sql": True, "output_buffer": written}
        )
        create_views(Operations(context), ["sign_up"], schema="shop")
        assert written.getvalue().count("VIEW shop.events_sign_up AS") == 1
        with pytest.raises(ConfigError, match="needs a database"):
            drop_views(Operations(context))

    def test_event_types_that_are_none_are_said(self) -> None:
        with pytest.raises(ConfigError, match="Sign Up!"):
            create_views(object(), ["Sign Up!"])


@pytest.mark.parametrize("driver", POSTGRES_DRIVERS[1:])
def test_other_drivers_make_the_same_names(
    request: pytest.FixtureRequest, make_host: MakeHost, driver: str
) -> None:
    app = make_host(database_by(request, driver), TCS_EVENTS_EVENT_TYPES=TYPES)
    for _ in range(2):
        run(app, "views")
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        put(connection, "odd", {"100%": "1", "%(name)s": "2", ":name": "3", "a\\b": "4"})
        [row] = read(connection, "events_odd")
        assert [row[name] for name in ("100%", "%(name)s", ":name", "a\\b")] == [*"1234"]
        connection.rollback()


def test_they_are_in_the_schema_of_the_events(make_host: MakeHost, postgres_url: str) -> None:
    execute_in(postgres_url, "CREATE SCHEMA shop")
    app = make_host(postgres_url, TCS_EVENTS_EVENT_TYPES=TYPES, TCS_EVENTS_SCHEMA="shop")
    assert lines(app, "views")[0] == "events_typed"
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        assert "events_typed" in inspect(engine).get_view_names("shop")
        assert inspect(engine).get_view_names() == []
    assert "VIEW shop.events_typed AS" in "\n".join(lines(app, "views", "--sql"))
    assert lines(app, "views", "--drop") == ["Dropped 4 views."]
