"""The tracker as pages load it: the script, its caching, and the tag in a template."""

from __future__ import annotations

import re

import pytest
from flask import Blueprint, Flask, render_template_string
from flask_sqlalchemy import SQLAlchemy

from tcs_events import create_blueprint
from tests.conftest import MakeHost
from tests.support import URL


@pytest.fixture
def app(make_host: MakeHost, sqlite_url: str) -> Flask:
    return make_host(sqlite_url)


def rendered(app: Flask, template: str = "{{ tcs_events_script() }}", **values: object) -> str:
    with app.test_request_context():
        return render_template_string(template, **values)


def test_the_tag_loads_the_script_of_this_version_for_ever(app: Flask) -> None:
    tag = rendered(app)
    address = re.fullmatch(r'<script src="(/api/events/tracker\.js\?v=\w+)" defer></script>', tag)
    assert address is not None
    answer = app.test_client().get(address[1])
    assert answer.status_code == 200
    assert answer.mimetype == "text/javascript"
    assert answer.cache_control.immutable
    assert answer.cache_control.max_age == 365 * 24 * 3600


@pytest.mark.parametrize("query", ["", "?v=", "?v=of-an-older-release"])
def test_any_other_address_of_it_is_asked_for_again_within_the_hour(app: Flask, query: str) -> None:
    answer = app.test_client().get(f"{URL}/tracker.js{query}")
    assert answer.cache_control.max_age == 3600
    assert not answer.cache_control.immutable


def test_the_tag_takes_the_nonce_of_the_page(app: Flask) -> None:
    tag = rendered(app, "{{ tcs_events_script(nonce=page_nonce) }}", page_nonce="r4nd0m")
    assert tag.endswith(' defer nonce="r4nd0m"></script>')


def test_the_tag_finds_the_nonce_of_flask_talisman(app: Flask) -> None:
    app.jinja_env.globals["csp_nonce"] = lambda: "made for this page"
    assert ' nonce="made for this page">' in rendered(app)


def test_a_nonce_cannot_break_out_of_its_attribute(app: Flask) -> None:
    tag = rendered(app, "{{ tcs_events_script(nonce=evil) }}", evil='"><script>alert(1)</script>')
    assert tag.count("<script") == 1


def test_the_tag_knows_where_the_blueprint_is_mounted(
    sqlite_url: str, close_later: list[Flask]
) -> None:
    app, parent = Flask("host"), Blueprint("site", __name__, url_prefix="/site")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    close_later.append(app)
    SQLAlchemy(app)
    parent.register_blueprint(create_blueprint(url_prefix="/track"))
    app.register_blueprint(parent)
    with app.test_request_context(base_url="https://shop.example/below"):
        tag = render_template_string("{{ tcs_events_script() }}")
    assert '<script src="/below/site/track/tracker.js?v=' in tag
