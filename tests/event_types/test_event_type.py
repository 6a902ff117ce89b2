"""An event type is declared once, and a mistake in it is named at the start."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from flask import Flask
from marshmallow import INCLUDE, Schema, fields

import tcs_events
from tcs_events import DEFAULT_EVENT_TYPES, ConfigError, EventType, create_blueprint
from tcs_events.payloads import CardClick
from tcs_events.roles import Click, Search
from tests.conftest import MakeHost
from tests.support import post


class Room(Schema):
    room_id = fields.String(required=True)
    source = fields.String(data_key="from")
    secret = fields.String(load_only=True)
    price = fields.Decimal()
    price_text = fields.String()
    nights = fields.Integer()
    stay = fields.TimeDelta()
    total = fields.Function(lambda loaded: 1)


class Open(Schema):
    class Meta:
        unknown = INCLUDE

    text = fields.String()


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: EventType("Sign Up!"), "such as 'sign_up'"),
        (lambda: EventType("x" * 51), "longer than 50 characters"),
        (lambda: EventType(""), "may only contain letters"),
        (lambda: EventType("opened", {}), "takes a Schema class or None"),  # type: ignore[arg-type]
        (lambda: EventType("opened", Room()), "takes a Schema class or None"),  # type: ignore[arg-type]
        (lambda: EventType("opened", role="click"), "Click(item=...)"),  # type: ignore[arg-type]
        (lambda: accept(EventType("opened", Room, role=Click("room"))), "did you mean 'room_id'?"),
        (lambda: accept(EventType("opened", Room, role=Click("room_id", "source"))), "Room does"),
        (lambda: accept(EventType("opened", Room, role=Click("secret"))), "does not store"),
        (lambda: accept(EventType("opened", Room, break_down=("room",))), "you mean 'room_id'?"),
        (lambda: accept(EventType("opened", Room, break_down=("secret",))), "does not store"),
        (lambda: accept(EventType("opened", Room, add_up=("prices",))), "you mean 'price'?"),
        (lambda: accept(EventType("opened", Room, add_up=("price_text",))), "as a number"),
        (lambda: accept(EventType("opened", Open, add_up=("text",))), "as a number"),
        (lambda: accept(EventType("opened", add_up=("n[0]",))), "must not contain"),
        (lambda: EventType("opened", break_down="plan"), "break_down=('price',)"),  # type: ignore[arg-type]
        (lambda: EventType("opened", add_up=(1,)), "add_up=('price',)"),  # type: ignore[arg-type]
        (lambda: accept(EventType("find", role=Search("text", "n[0]"))), "must not contain"),
        (lambda: accept(EventType("find", role=Search(" text"))), "spaces around it"),
    ],
)
def test_a_mistake_is_named(declare: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        declare()
    assert said in str(caught.value)


def accept(*types: Any) -> None:
    Flask(__name__).register_blueprint(create_blueprint(event_types=types))


def test_a_role_may_name_a_field_by_its_key_or_one_that_the_schema_takes_too() -> None:
    accept(EventType("opened", Room, role=Click(item="room_id", context="from")))
    accept(EventType("opened", Open, role=Click(item="anything")))
    accept(EventType("opened", role=Click(item="anything")))


def test_fields_to_break_down_by_and_to_add_up_may_be_any_that_are_stored() -> None:
    numbers = ("price", "nights", "stay", "total")
    opened = EventType("opened", Room, break_down=["room_id", "from"], add_up=numbers)  # type: ignore[arg-type]
    accept(opened, EventType("seen", Open, break_down=("any",), add_up=("other",)))
    accept(EventType("asked", break_down=("any",), add_up=("other",)))
    assert (opened.break_down, opened.add_up) == (("room_id", "from"), numbers)
    assert hash(opened)


def test_a_name_of_the_marketplace_may_have_a_schema_with_other_fields(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url, create_blueprint(event_types={"card_click": Room}))
    assert post(app, payload={"room_id": "7"}).status_code == 202


@pytest.mark.parametrize(
    "types",
    [
        [EventType("opened", Room), "closed"],
        {"opened": Room, "closed": None},
        [EventType("opened", Room), EventType("closed")],
    ],
)
@pytest.mark.parametrize("as_setting", [False, True])
def test_types_names_and_the_dict_allow_the_same(
    make_host: MakeHost, sqlite_url: str, types: Any, as_setting: bool
) -> None:
    option = {} if as_setting else {"event_types": types}
    setting = {"TCS_EVENTS_EVENT_TYPES": types} if as_setting else {}
    app = make_host(sqlite_url, create_blueprint(**option), **setting)
    assert post(app, event_type="opened", payload={"room_id": "7"}).status_code == 202
    assert post(app, event_type="opened", payload={}).status_code == 422
    assert post(app, event_type="closed", payload={"any": 1}).status_code == 202
    assert post(app, event_type="card_click").status_code == 422


def test_the_defaults_can_be_taken_over(make_host: MakeHost, sqlite_url: str) -> None:
    types = [*DEFAULT_EVENT_TYPES, EventType("sign_up")]
    app = make_host(sqlite_url, create_blueprint(event_types=types))
    assert post(app).status_code == post(app, event_type="sign_up").status_code == 202


def test_a_schema_that_cannot_be_made_stops_the_app() -> None:
    schema = Schema.from_dict({"room": fields.Nested("NoSuchSchema")})
    with pytest.raises(ConfigError, match=r"'booked'.*NoSuchSchema"):
        accept(EventType("booked", schema))


def test_a_type_is_declared_in_one_way() -> None:
    accept("opened", "opened", EventType("opened"))
    with pytest.raises(ConfigError, match="'opened' in two ways"):
        accept("opened", EventType("opened", Room))


def test_the_document_says_what_a_type_is_for(make_host: MakeHost, sqlite_url: str) -> None:
    types = [
        EventType("opened", CardClick, help="Looked at a room."),
        EventType("seen", deprecated=True),
        EventType("asked", role=Search(query="text"), help="Asked for rooms."),
        EventType("left"),
    ]
    app = make_host(sqlite_url, create_blueprint(event_types=types))
    document = app.test_client().get("/api/events/openapi.json").get_json()
    variants = document["components"]["schemas"]["Event"]["anyOf"]
    said = {
        name: (variant.get("deprecated", False), variant["properties"]["event_type"])
        for variant in variants
        for name in variant["properties"]["event_type"]["enum"]
    }
    assert {name: is_deprecated for name, (is_deprecated, _) in said.items()} == {
        "opened": False,
        "seen": True,
        "asked": False,
        "left": False,
    }
    assert said["opened"][1]["description"] == "opened: Looked at a room."
    assert said["left"][1]["description"] == "asked: Asked for rooms."


def strings_of(path: Path) -> set[str]:
    """Return the texts of a file that are whole values: no docstrings, no comments."""
    tree = ast.parse(path.read_text())
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def files_that_know(names: set[str]) -> dict[str, set[str]]:
    """Return the names that each file of the package has as a value, the demo left out."""
    package = Path(tcs_events.__file__).parent
    known = {
        path.relative_to(package).as_posix(): strings_of(path) & names
        for path in package.rglob("*.py")
        if "demo" not in path.relative_to(package).parts
    }
    return {path: found for path, found in known.items() if found}


def test_only_their_declaration_knows_the_marketplaces_types() -> None:
    """What is in the demo, and what is said by way of an example, may name them."""
    names = {event_type.name for event_type in DEFAULT_EVENT_TYPES} | {"card_impression"}
    assert files_that_know(names).keys() == {"event_types/marketplace.py"}


def test_only_their_declaration_knows_the_marketplaces_fields_and_words() -> None:
    """The schemas of `payloads.py` have the fields as attributes, and values of some of them."""
    payload_fields = {"expert_id", "expert_ids", "query_text", "function_called"}
    values = {"sage_panel", "grid", "search_experts", "apply_filters"}
    words = {"expert", "experts", "Expert", "Experts", "Sage"}
    known = files_that_know(payload_fields | values | words)
    # The column of a table that hosts have, and the roles and the word of the marketplace.
    assert known.pop("counts/tables.py") == {"expert_id"}
    assert known.pop("counts/rows.py") == {"expert_id"}
    assert known.pop("event_types/payloads.py") == values
    assert known.pop("settings.py") == {"query_text"}  # by way of an example
    declared = {"expert_id", "expert_ids", "query_text", "expert", "experts"}
    assert known.pop("event_types/marketplace.py") == declared
    assert known == {}


def test_no_text_of_the_package_speaks_of_experts_or_sage() -> None:
    """Texts say the host's word. Docstrings are examples, and may."""
    package = Path(tcs_events.__file__).parent
    word = re.compile(r"\b(experts?|sage)\b", re.IGNORECASE)
    found = set()
    for path in package.rglob("*.py"):
        place = path.relative_to(package)
        if "demo" in place.parts or place.as_posix() == "event_types/marketplace.py":
            continue
        tree = ast.parse(path.read_text())
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        texts -= {node.value.value for node in ast.walk(tree) if is_docstring(node)}
        found |= {place.as_posix() for text in texts if isinstance(text, str) and word.search(text)}
    for path in package.rglob("dashboard/templates/**/*.html"):
        if word.search(re.sub(r"{[{%#].*?[}%#]}", "", path.read_text(), flags=re.DOTALL)):
            found.add(path.name)
    assert found == set()


def is_docstring(node: ast.AST) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
