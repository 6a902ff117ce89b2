"""The blueprint works wherever a host mounts it, or an error says what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, g, render_template_string, request, url_for
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from tcs_events import ConfigError, create_blueprint
from tcs_events.wsgi import EventsMiddleware
from tests.support import card_click, stored

IDENTITY = {"session_id": "s", "email": "ada@example.com"}
PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "the default": ({}, "/api/events"),
    "elsewhere": ({"url_prefix": "/track"}, "/track"),
    "with a slash at the end": ({"url_prefix": "/track/"}, "/track"),
    "with letters of another script": ({"url_prefix": "/события"}, "/события"),
    "the root, empty": ({"url_prefix": ""}, ""),
    "the root, a slash": ({"url_prefix": "/"}, ""),
    "the root, None": ({"url_prefix": None}, ""),
    "a variable": ({"url_prefix": "/<lang>"}, "/de"),
    "a variable of a kind": ({"url_prefix": "/<any(de, en):lang>/track"}, "/de/track"),
    "two variables": ({"url_prefix": "/<lang>/<int:site>/track"}, "/de/7/track"),
}


@pytest.fixture(params=["view", "middleware"])
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Host:
    """A host that is set up in two steps: register blueprints, then `finish`."""

    def __init__(self, url: str, face: str, **flask: Any) -> None:
        self.app, self.db, self.face = Flask("host", **flask), SQLAlchemy(), face
        self.app.config["SQLALCHEMY_DATABASE_URI"] = url
        self.db.init_app(self.app)

    def finish(self) -> Flask:
        if self.face == "middleware":
            self.app.wsgi_app = EventsMiddleware(self.app)  # type: ignore[method-assign]
        with self.app.app_context():
            self.db.create_all()
        return self.app


@pytest.fixture
def host(sqlite_url: str, face: str, close_later: list[Flask]) -> Any:
    def make(**flask: Any) -> Host:
        made = Host(sqlite_url, face, **flask)
        close_later.append(made.app)
        return made

    return make


def look_at_everything(
    app: Flask, prefix: str, base_url: str = "http://localhost", paths: str | None = None
) -> None:
    """Check that each route below a prefix works, with and without a final slash."""
    client = app.test_client()
    before = len(stored(app))
    for slash in ("", "/"):
        sent = {
            f"{prefix}{slash}" or "/": card_click(),
            f"{prefix}/batch{slash}": {"events": [card_click()]},
            f"{prefix}/identify{slash}": IDENTITY,
        }
        for path, body in sent.items():
            answer = client.post(path, json=body, base_url=base_url)
            assert (answer.status_code, answer.headers["X-TCS-Events"]) == (202, "1"), path
            answer = client.delete(path, base_url=base_url)
            assert (answer.status_code, answer.headers["X-TCS-Events"]) == (405, "1"), path
            assert list(answer.json["errors"]) == ["_schema"]
        for path in ("/tracker.js", "/client.js", "/health", "/openapi.json"):
            answer = client.get(f"{prefix}{path}{slash}", base_url=base_url)
            assert (answer.status_code, answer.headers["X-TCS-Events"]) == (200, "1"), path
    assert len(stored(app)) == before + 4
    listed = list(client.get(f"{prefix}/openapi.json", base_url=base_url).json["paths"])
    shown = prefix if paths is None else paths
    assert listed == [shown or "/"] + [
        f"{shown}/{name}"
        for name in ("batch", "identify", "tracker.js", "client.js", "health", "openapi.json")
    ]


def address_in(tag: str) -> str:
    [address] = re.findall(r'src="([^"]+)"', tag)
    return str(address)


@pytest.mark.parametrize("place", PLACES)
def test_every_route_works_wherever_it_is(host: Any, place: str) -> None:
    options, prefix = PLACES[place]
    made = host()
    made.app.register_blueprint(create_blueprint(**options))
    paths = (options.get("url_prefix", prefix) or "").rstrip("/")
    paths = re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", paths)
    look_at_everything(made.finish(), prefix, paths=paths)


# None is Flask's word for what the blueprint says itself.
CHOSEN = [name for name, (options, _) in PLACES.items() if options.get("url_prefix") is not None]


@pytest.mark.parametrize("place", CHOSEN)
def test_the_host_may_choose_the_place_when_it_registers(host: Any, place: str) -> None:
    options, prefix = PLACES[place]
    made = host()
    made.app.register_blueprint(create_blueprint(), **options)
    client = made.finish().test_client()
    assert client.post(prefix or "/", json=card_click()).status_code == 202
    assert client.get(f"{prefix}/client.js").status_code == 200


@pytest.mark.parametrize("place", PLACES)
def test_the_tag_finds_the_script_from_a_page_of_the_same_place(host: Any, place: str) -> None:
    options, prefix = PLACES[place]
    made = host()
    made.app.register_blueprint(create_blueprint(**options))
    page_of = (options.get("url_prefix", prefix) or "").rstrip("/")
    made.app.add_url_rule(
        f"{page_of}/page",
        view_func=lambda **_: render_template_string("{{ tcs_events_script() }}"),
        endpoint="page",
    )
    client = made.finish().test_client()
    tag = client.get(f"{prefix}/page").text
    assert client.get(address_in(tag)).status_code == 200
    assert address_in(tag).split("?")[0].endswith("/client.js")


def test_a_page_elsewhere_names_the_variable_or_is_told_to(host: Any) -> None:
    made = host()
    made.app.register_blueprint(create_blueprint(url_prefix="/<lang>/track"))
    app = made.finish()
    with app.test_request_context("/"):
        with pytest.raises(ConfigError, match=r"tcs_events_script\(lang="):
            render_template_string("{{ tcs_events_script() }}")
        tag = render_template_string("{{ tcs_events_script(lang='en') }}")
    assert address_in(tag).startswith("/en/track/client.js?v=")


def test_a_host_that_takes_the_language_off_its_addresses(host: Any) -> None:
    """With url_value_preprocessor and url_defaults, as in Flask's documentation."""
    made = host()
    app = made.app

    @app.url_value_preprocessor
    def pull_language(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.lang = (values or {}).pop("lang", "en")

    @app.url_defaults
    def add_language(endpoint: str, values: dict[str, Any]) -> None:
        if app.url_map.is_endpoint_expecting(endpoint, "lang"):
            values.setdefault("lang", g.lang)

    app.register_blueprint(create_blueprint(url_prefix="/<lang>/track"))
    app.add_url_rule(
        "/<lang>/", view_func=lambda: render_template_string("{{ tcs_events_script() }}")
    )
    made.finish()
    look_at_everything(app, "/de/track", paths="/{lang}/track")
    assert address_in(app.test_client().get("/fr/").text).startswith("/fr/track/client.js")


def test_a_variable_takes_no_address_of_the_host(host: Any) -> None:
    """`/<lang>` matches any first part, but the host's own fixed route wins."""
    made = host()
    made.app.register_blueprint(create_blueprint(url_prefix="/<lang>"))
    made.app.add_url_rule("/login", view_func=lambda: "logged in", methods=["POST"])
    app = made.finish()
    assert app.test_client().post("/login", json=card_click()).text == "logged in"
    assert stored(app) == []


def test_the_document_names_the_variables(host: Any) -> None:
    made = host()
    made.app.register_blueprint(create_blueprint(url_prefix="/<any(de, en):lang>/<int:site>"))
    found = made.finish().test_client().get("/de/7/openapi.json").json
    for described in found["paths"].values():
        assert [one["name"] for one in described["parameters"]] == ["lang", "site"]
        assert all(one["in"] == "path" and one["required"] for one in described["parameters"])


def test_a_host_that_matches_by_name_answers_on_each(host: Any) -> None:
    made = host(host_matching=True, static_host="shop.example")
    made.app.register_blueprint(create_blueprint())
    made.app.add_url_rule(
        "/page",
        host="shop.example",
        view_func=lambda: render_template_string("{{ tcs_events_script() }}"),
    )
    app = made.finish()
    for name in ("shop.example", "other.example:8080", "localhost"):
        look_at_everything(app, "/api/events", f"http://{name}")
    tag = app.test_client().get("/page", base_url="http://shop.example").text
    assert address_in(tag).startswith("/api/events/client.js")


def test_a_host_that_matches_by_name_may_choose_one(host: Any) -> None:
    made = host(host_matching=True, static_host="shop.example")
    made.app.register_blueprint(create_blueprint(), host="events.example")
    app = made.finish()
    look_at_everything(app, "/api/events", "http://events.example")
    answer = app.test_client().post(
        "/api/events", json=card_click(), base_url="http://shop.example"
    )
    assert answer.status_code == 404
    with app.test_request_context("/", base_url="http://shop.example"):
        tag = render_template_string("{{ tcs_events_script() }}")
    assert address_in(tag).startswith("//events.example/api/events/client.js") or address_in(
        tag
    ).startswith("http://events.example/api/events/client.js")


def test_a_host_name_that_nothing_is_matched_by_is_refused(host: Any) -> None:
    with pytest.raises(ConfigError, match="host_matching=True"):
        host().app.register_blueprint(create_blueprint(), host="events.example")


def test_a_subdomain_works_where_the_host_has_them(host: Any) -> None:
    made = host(subdomain_matching=True)
    made.app.config["SERVER_NAME"] = "shop.example"
    made.app.register_blueprint(create_blueprint(), subdomain="events")
    app = made.finish()
    look_at_everything(app, "/api/events", "http://events.shop.example")
    assert app.test_client().post("/api/events", json=card_click()).status_code == 404
    with app.test_request_context("/", base_url="http://shop.example"):
        tag = render_template_string("{{ tcs_events_script() }}")
    assert address_in(tag).startswith("//events.shop.example/api/events/client.js") or address_in(
        tag
    ).startswith("http://events.shop.example/api/events/client.js")


def test_subdomains_that_nothing_is_matched_by_are_refused(host: Any) -> None:
    with pytest.raises(ConfigError, match="subdomain_matching=True"):
        host().app.register_blueprint(create_blueprint(), subdomain="events")


@pytest.mark.parametrize(("outer", "inner"), [("/site", "/track"), ("/<lang>", ""), ("", "/x/")])
def test_a_nested_blueprint(host: Any, outer: str, inner: str) -> None:
    made, parent = host(), Blueprint("site", __name__, url_prefix=outer or None)
    parent.register_blueprint(create_blueprint(url_prefix=inner))
    made.app.register_blueprint(parent)
    prefix = (outer.replace("<lang>", "de") + inner).rstrip("/")
    paths = (outer.replace("<lang>", "{lang}") + inner).rstrip("/")
    look_at_everything(made.finish(), prefix, paths=paths)


@pytest.mark.parametrize("prefix", ["", "/api/events", "/<lang>"])
def test_an_app_that_is_mounted_below_another(host: Any, prefix: str) -> None:
    made = host()
    made.app.config["APPLICATION_ROOT"] = "/shop"
    made.app.register_blueprint(create_blueprint(url_prefix=prefix))
    app, at = made.finish(), prefix.replace("<lang>", "de")
    client = Client(DispatcherMiddleware(Flask("outer"), {"/shop": app}))
    for path in {f"/shop{at}", f"/shop{at}/", f"/shop{at}/batch"}:
        body = {"events": [card_click()]} if path.endswith("batch") else card_click()
        assert client.post(path, json=body).status_code == 202
    document = client.get(f"/shop{at}/openapi.json").json
    assert document["servers"] == [{"url": "/shop"}]
    with app.test_request_context(at or "/", base_url="http://localhost/shop"):
        values = {"lang": "de"} if at == "/de" else {}
        tag = render_template_string("{{ tcs_events_script(**values) }}", values=values)
    assert client.get(address_in(tag)).status_code == 200


def test_a_prefix_that_is_no_path_is_refused_with_the_remedy(host: Any) -> None:
    with pytest.raises(ConfigError, match="begin with a slash"):
        host().app.register_blueprint(create_blueprint(url_prefix="api/events"))


def test_hooks_do_not_run_before_the_middleware_wherever_it_is(host: Any, face: str) -> None:
    made = host()
    made.app.register_blueprint(create_blueprint(url_prefix="/<lang>"))
    app = made.finish()
    app.before_request(lambda: abort(401) if request.method == "POST" else None)
    status = app.test_client().post("/de", json=card_click()).status_code
    assert status == (202 if face == "middleware" else 401)


def test_the_doctor_does_not_call_wrong_what_it_cannot_try(host: Any) -> None:
    made = host()
    made.app.register_blueprint(create_blueprint(url_prefix="/<lang>"))
    said = made.finish().test_cli_runner().invoke(args=["tcs-events", "doctor"])
    assert "hint   endpoint POST /<lang>/batch: not tried" in said.output
    assert said.exit_code == 0


@pytest.mark.parametrize("prefix", ["", "/", "/track"])
def test_the_doctor_tries_every_other_place(host: Any, prefix: str) -> None:
    made = host(host_matching=True, static_host="shop.example")
    made.app.register_blueprint(create_blueprint(url_prefix=prefix))
    said = made.finish().test_cli_runner().invoke(args=["tcs-events", "doctor"])
    assert f"ok     endpoint POST {prefix.rstrip('/')}/batch" in said.output
    assert said.exit_code == 0


def test_addresses_of_ours_can_be_built_by_the_host(host: Any) -> None:
    made = host(host_matching=True, static_host="shop.example")
    made.app.register_blueprint(create_blueprint())
    app = made.finish()
    with app.test_request_context("/", base_url="http://shop.example"):
        assert url_for("tcs_events.collect") == "/api/events"
