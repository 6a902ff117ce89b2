"""The OpenAPI document is valid and complete, and the endpoint does what it says."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import enum
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask
from flask_sqlalchemy import SQLAlchemy
from marshmallow import INCLUDE, RAISE, Schema, fields, validate

import tcs_events.faces.openapi
from tcs_events import create_blueprint
from tcs_events.faces.json_schema import json_schema
from tcs_events.host.mounted import mounted_routes
from tcs_events.payloads import PAYLOAD_SCHEMAS
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.faces.contract import INSTALL, hold, is_allowed
from tests.faces.hosts import FACES, hosted, quiet
from tests.support import URL

DOCUMENT = f"{URL}/openapi.json"


def document(app: Flask, path: str = DOCUMENT) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get(path).json
    return found


def test_it_is_valid_openapi(make_host: MakeHost, sqlite_url: str) -> None:
    validator = pytest.importorskip(
        "openapi_spec_validator", reason="needs openapi-spec-validator: pip install -e '.[test]'"
    )
    for blueprint in (create_blueprint(), create_blueprint(event_types=PAYLOAD_SCHEMAS)):
        found = document(make_host(sqlite_url, blueprint, db=SQLAlchemy()))
        validator.validate(found, cls=validator.OpenAPIV31SpecValidator)
        broken = found | {"paths": {"no-slash": {}}}
        with pytest.raises(validator.validation.exceptions.OpenAPIValidationError):
            validator.validate(broken, cls=validator.OpenAPIV31SpecValidator)


def test_every_route_and_method_is_in_it(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    paths = document(app)["paths"]
    for name, rule in mounted_routes(app):
        if name == "debug":  # for developers, not for clients
            continue
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        assert {method.lower() for method in methods} == set(paths[rule.rule])


def test_it_names_the_paths_where_the_host_has_them(sqlite_url: str) -> None:
    app, parent = Flask("host"), Blueprint("site", __name__, url_prefix="/site")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    SQLAlchemy().init_app(app)
    parent.register_blueprint(create_blueprint(url_prefix="/track"))
    app.register_blueprint(parent)
    answer = app.test_client().get("/site/track/openapi.json", base_url="http://x.example/shop/")
    assert answer.json["servers"] == [{"url": "/shop"}]
    assert "/site/track/batch" in answer.json["paths"]


def test_it_is_kept_by_its_etag(make_host: MakeHost, sqlite_url: str) -> None:
    client = make_host(sqlite_url).test_client()
    first = client.get(DOCUMENT)
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    again = client.get(DOCUMENT, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(DOCUMENT, headers={"If-None-Match": '"x"'}).status_code == 200


def test_it_is_built_once_for_each_mount(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    document_of = tcs_events.faces.openapi.document

    def count(*given: Any) -> dict[str, Any]:
        built.append(1)
        return document_of(*given)

    monkeypatch.setattr(tcs_events.faces.openapi, "document", count)
    client = make_host(sqlite_url).test_client()
    for mount in ("", "/shop", "/other", *(f"/{number}" for number in range(100))):
        for _ in range(2):
            answer = client.get(DOCUMENT, base_url=f"http://localhost{mount}")
            assert answer.json["servers"] == [{"url": mount or "/"}]
    assert len(built) == 1


def test_each_app_has_its_own(make_host: MakeHost, sqlite_url: str) -> None:
    blueprint = create_blueprint()
    apps = [
        make_host(sqlite_url, blueprint, TCS_EVENTS_EVENT_TYPES=[name]) for name in ("one", "other")
    ]
    types = [document(app)["components"]["schemas"]["Event"]["properties"] for app in apps]
    assert [found["event_type"]["enum"] for found in types] == [["one"], ["other"]]


def test_it_says_that_every_age_and_address_is_taken(make_host: MakeHost, sqlite_url: str) -> None:
    schemas = document(make_host(sqlite_url))["components"]["schemas"]
    for name in ("age_ms", "email"):
        assert set(schemas["Event"]["properties"][name]) == {"description", "examples"}
    assert schemas["Identity"]["properties"]["email"]["format"] == "email"
    assert "email" in schemas["Identity"]["required"]


def test_it_says_that_every_answer_is_marked(make_host: MakeHost, sqlite_url: str) -> None:
    found = document(make_host(sqlite_url))
    answers = [
        answer
        for described in found["paths"].values()
        for operation in described.values()
        for answer in operation["responses"].values()
    ]
    assert len(answers) > 20
    for answer in answers:
        named = answer.get("$ref", "").rpartition("/")[2]
        told = found["components"]["responses"][named] if named else answer
        assert told["headers"]["X-TCS-Events"] == {"$ref": "#/components/headers/Mark"}


def test_it_has_the_types_of_the_host_and_their_payloads(
    make_host: MakeHost, sqlite_url: str
) -> None:
    class SignUp(Schema):
        plan = fields.String(required=True, validate=validate.OneOf(["free", "paid"]))

    app = make_host(sqlite_url, create_blueprint(event_types={"sign_up": SignUp, "log_out": None}))
    free, sign_up = document(app)["components"]["schemas"]["Event"]["anyOf"]
    assert free["properties"]["event_type"]["enum"] == ["log_out"]
    assert free["required"] == ["event_type", "session_id"]
    assert sign_up["properties"]["event_type"]["enum"] == ["sign_up"]
    assert sign_up["required"] == ["event_type", "session_id", "payload"]
    assert sign_up["properties"]["payload"]["properties"]["plan"]["enum"] == ["free", "paid"]


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Inner(Schema):
    class Meta:
        unknown = RAISE

    name = fields.String(data_key="n", required=True)


class Loaded(fields.Field):  # type: ignore[type-arg]
    pass


class Shouted(fields.String):
    pass


class Everything(Schema):
    class Meta:
        unknown = INCLUDE

    length = fields.String(validate=validate.Length(2, 5))
    exact = fields.String(validate=[validate.Length(equal=3)])
    choice = fields.String(validate=validate.OneOf(["a", "b"]), allow_none=True)
    pattern = fields.String(validate=validate.Regexp("[a-c]+$"))
    python_pattern = fields.String(validate=validate.Regexp(r"(?P<x>a)\Z"))
    both = fields.String(validate=validate.And(validate.Length(min=1), validate.Length(max=9)))
    whole = fields.Integer(strict=True, validate=validate.Range(0, 9, max_inclusive=False))
    real = fields.Float(load_default=0.5)
    yes = fields.Boolean(load_default=True)
    mail = fields.Email()
    link = fields.Url()
    path = fields.Url(relative=True)
    host = fields.IPv4()
    opens = fields.Time()
    local_time = fields.NaiveDateTime()
    price = fields.Decimal()
    uuid = fields.UUID()
    at = fields.DateTime()
    odd_time = fields.DateTime(format="%d.%m.%Y")
    on = fields.Date()
    tags = fields.List(fields.String(), validate=validate.Length(max=3), load_default=list)
    inner = fields.Nested(Inner)
    inners = fields.Nested(Inner, many=True)
    itself = fields.Nested(lambda: Everything())
    counts = fields.Dict(
        keys=fields.String(validate=validate.Length(max=2)), values=fields.Integer()
    )
    colour = fields.Enum(Colour)
    value = fields.Enum(Colour, by_value=True)
    told = fields.String(metadata={"description": "A word.", "secret": 1})
    raw = fields.Raw()
    own = Loaded()
    shouted = Shouted()
    ruled = fields.String(validate=lambda text: None)
    default = fields.UUID(load_default=lambda: None)
    shown = fields.String(dump_only=True)


INNER = {
    "type": "object",
    "properties": {"n": {"type": "string"}},
    "required": ["n"],
    "additionalProperties": False,
}
DESCRIBED: dict[str, Any] = {
    "length": {"type": "string", "minLength": 2, "maxLength": 5},
    "exact": {"type": "string", "minLength": 3, "maxLength": 3},
    "choice": {"type": ["string", "null"], "enum": ["a", "b", None], "default": None},
    "pattern": {"type": "string", "pattern": "^(?:[a-c]+$)"},
    "python_pattern": {"type": "string"},
    "both": {"type": "string", "minLength": 1, "maxLength": 9},
    "whole": {"type": "integer", "minimum": 0, "exclusiveMaximum": 9},
    "real": {"type": "number", "default": 0.5},
    "yes": {"type": "boolean", "default": True},
    "mail": {"type": "string", "format": "email"},
    "link": {"type": "string", "format": "uri"},
    "path": {"type": "string", "format": "uri-reference"},
    "host": {"type": "string", "format": "ipv4"},
    "opens": {"type": "string"},
    "local_time": {"type": "string"},
    "price": {},
    "uuid": {"type": "string", "format": "uuid"},
    "at": {"type": "string", "format": "date-time"},
    "odd_time": {},
    "on": {"type": "string", "format": "date"},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3, "default": []},
    "inner": INNER,
    "inners": {"type": "array", "items": INNER},
    "itself": {"type": "object"},
    "counts": {
        "type": "object",
        "additionalProperties": {"type": "integer"},
        "propertyNames": {"type": "string", "maxLength": 2},
    },
    "colour": {"enum": ["RED", "BLUE"]},
    "value": {"enum": [1, 2]},
    "told": {"type": "string", "description": "A word."},
    "raw": {},
    "own": {},
    "shouted": {},
    "ruled": {"type": "string"},
    "default": {"type": "string", "format": "uuid"},
}


def test_marshmallow_is_put_into_json_schema() -> None:
    described = json_schema(Everything())
    choice = described["properties"]["choice"]
    choice.setdefault("default", None)  # marshmallow 3 has none where 4 has None
    assert described["properties"] == DESCRIBED
    assert described.keys() == {"type", "properties"}
    json.dumps(described, allow_nan=False)


@pytest.fixture(params=FACES)
def faced(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    with quiet(), hosted(f"sqlite:///{tmp_path}/host.db", request.param) as app:
        yield app


@pytest.mark.filterwarnings("ignore")  # of the packages that schemathesis needs
def test_every_answer_is_one_that_the_document_names(faced: Flask) -> None:
    pytest.importorskip("schemathesis", reason=f"needs {INSTALL}")
    # Every edge of the document through one face, chance through the other.
    edges = isinstance(faced.wsgi_app, EventsMiddleware)
    held = hold(faced, examples=2 if edges else 40, edges=edges)
    assert held.failures == []
    assert held.cases > 60
    assert held.answers["POST 202"] > 10
    assert held.answers["POST 422"] > 10


def answer_posts(app: Flask, status: str, content_type: str, body: bytes) -> None:
    """Make an app answer every POST in the same way."""
    inner = app.wsgi_app

    def same(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            start_response(status, [("Content-Type", content_type)])
            return [body]
        return inner(environ, start_response)

    app.wsgi_app = same  # type: ignore[method-assign]


@pytest.mark.filterwarnings("ignore")
def test_an_answer_that_it_does_not_name_is_noticed(make_host: MakeHost, sqlite_url: str) -> None:
    """The control: a host whose hook answers in its own way."""
    pytest.importorskip("schemathesis", reason=f"needs {INSTALL}")
    app = make_host(sqlite_url)
    answer_posts(app, "418 I AM A TEAPOT", "text/html", b"<p>")
    failures = hold(app, examples=2, edges=False).failures
    assert any("status_code_conformance" in failure for failure in failures)


@pytest.mark.filterwarnings("ignore")
def test_bodies_that_it_forbids_and_a_host_takes_are_noticed(
    make_host: MakeHost, sqlite_url: str
) -> None:
    """The control: a host that accepts everything."""
    pytest.importorskip("schemathesis", reason=f"needs {INSTALL}")
    app = make_host(sqlite_url)
    answer_posts(app, "202 ACCEPTED", "application/json", b'{"status": "accepted"}')
    held = hold(app, examples=30, edges=False)
    refused = [line for line in held.failures if "negative_data_rejection" in line]
    assert {line.split(":")[0] for line in refused} == {
        f"POST {URL}",
        f"POST {URL}/batch",
        f"POST {URL}/identify",
    }
    assert len(held.misjudged) < len(refused) / 10


def test_the_second_validator_tells_what_the_document_allows(
    make_host: MakeHost, sqlite_url: str
) -> None:
    pytest.importorskip("jsonschema", reason="needs jsonschema: pip install -e '.[test]'")
    allows = partial(is_allowed, document(make_host(sqlite_url)), f"POST {URL}")
    assert allows(b'{"event_type": "card_click", "session_id": "0"}')
    assert not allows(b'{"event_type": "card_click", "session_id": "\\u0007"}')
    assert not allows(b'{"event_type": "card_click", "session_id": " "}')
    assert not allows(b'{"event_type": "no_such_type", "session_id": "0"}')
    assert not allows(b"0")
    assert not allows(b"I\\")
    assert not allows(b"(i\xd9")
    assert not allows(b"")
