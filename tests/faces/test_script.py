"""The tracker as pages load it: the script, its caching, and the tag in a template."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from flask import Blueprint, Flask, render_template_string
from flask_sqlalchemy import SQLAlchemy

from tcs_events import create_blueprint
from tests.conftest import MakeHost
from tests.pages import README, page
from tests.support import ROOT, URL, need

STUB = (ROOT / "tcs_events" / "static" / "stub.js").read_text().strip()


@pytest.fixture
def app(make_host: MakeHost, sqlite_url: str) -> Flask:
    return make_host(sqlite_url)


def rendered(app: Flask, template: str = "{{ tcs_events_script() }}", **values: object) -> str:
    with app.test_request_context():
        return render_template_string(template, **values)


def test_the_tag_loads_the_script_of_this_version_for_ever(app: Flask) -> None:
    tag = rendered(app, "{{ tcs_events_script(stub=False) }}")
    address = re.fullmatch(r'<script src="(/api/events/client\.js\?v=\w+)" defer></script>', tag)
    assert address is not None
    answer = app.test_client().get(address[1])
    assert answer.status_code == 200
    assert answer.mimetype == "text/javascript"
    assert answer.cache_control.immutable
    assert answer.cache_control.max_age == 365 * 24 * 3600


def test_calls_are_kept_until_the_script_is_there(app: Flask) -> None:
    stub, tag = rendered(app).split("\n")
    assert stub == f"<script>{STUB}</script>"
    assert tag == rendered(app, "{{ tcs_events_script(stub=False) }}")


@pytest.mark.parametrize("name", [README, "guides/tracker"])
def test_the_documented_tag_is_the_one_that_is_made(app: Flask, name: str) -> None:
    html = page(name).block("html", "<script src")
    [shown] = re.findall(r"^<script>.*</script>\n<script src=.*></script>$", html, re.MULTILINE)
    assert re.sub(r"\?v=\w+", "", rendered(app)) == shown


def test_a_policy_without_a_nonce_may_allow_the_stub_by_its_hash() -> None:
    digest = base64.b64encode(hashlib.sha256(STUB.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page("guides/tracker").text


RUN_STUB = """
const window = globalThis, results = [];
%(before)s
for (let times = 0; times < 2; times++) { %(stub)s }
%(after)s
process.stdout.write(JSON.stringify(results));
"""
CALLS = """
results.push(tcsEvents.trackEvent("card_click", { expert_id: "ada" }) === undefined);
const track = tcsEvents.trackEvent;
track("filter_change");
tcsEvents.identify("ada@example.com");
tcsEvents.configure({ consent: false });
tcsEvents.reset(); tcsEvents.stop();
results.push(tcsEvents.sessionId() === undefined, tcsEvents.q);
"""
LOADED = """
const seen = [];
window.tcsEvents = { trackEvent: (...args) => { seen.push(args); return "kept"; } };
const before = tcsEvents.trackEvent;
"""


def run_stub(before: str, after: str) -> Any:
    node = shutil.which("node")
    need(node, "Node", "https://nodejs.org, or apt-get install nodejs")
    code = RUN_STUB % {"before": before, "stub": STUB, "after": after}
    ran = subprocess.run([str(node), "-e", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_stub_keeps_each_call_with_its_arguments() -> None:
    assert run_stub("", CALLS) == [
        True,
        True,
        [
            ["trackEvent", "card_click", {"expert_id": "ada"}],
            ["trackEvent", "filter_change"],
            ["identify", "ada@example.com"],
            ["configure", {"consent": False}],
            ["reset"],
            ["stop"],
            ["sessionId"],
        ],
    ]


def test_a_stub_after_the_tracker_changes_none_of_its_functions() -> None:
    after = """
    results.push(tcsEvents.trackEvent === before, tcsEvents.trackEvent("a", {}), seen);
    tcsEvents.identify("ada@example.com");  // which this tracker has not
    results.push(tcsEvents.q);
    """
    assert run_stub(LOADED, after) == [
        True,
        "kept",
        [["a", {}]],
        [["identify", "ada@example.com"]],
    ]


def test_the_stub_is_one_short_line() -> None:
    assert "\n" not in STUB
    assert "</" not in STUB
    assert len(STUB) < 320


@pytest.mark.parametrize("query", ["", "?v=", "?v=of-an-older-release"])
def test_any_other_address_of_it_is_asked_for_again_within_the_hour(app: Flask, query: str) -> None:
    for name in ("tracker.js", "client.js"):
        answer = app.test_client().get(f"{URL}/{name}{query}")
        assert answer.cache_control.max_age == 3600
        assert not answer.cache_control.immutable


def test_both_names_are_the_same_file(app: Flask) -> None:
    client = app.test_client()
    one, other = (client.get(f"{URL}/{name}.js") for name in ("tracker", "client"))
    assert (one.data, one.headers["ETag"]) == (other.data, other.headers["ETag"])
    assert one.headers["Access-Control-Allow-Origin"] == "*"  # for type="module" of other origins


def test_both_scripts_take_the_nonce_of_the_page(app: Flask) -> None:
    tags = rendered(app, "{{ tcs_events_script(nonce=page_nonce) }}", page_nonce="r4nd0m")
    stub, tag = tags.split("\n")
    assert stub.startswith('<script nonce="r4nd0m">')
    assert tag.endswith(' defer nonce="r4nd0m"></script>')


def test_the_tag_finds_the_nonce_of_flask_talisman(app: Flask) -> None:
    app.jinja_env.globals["csp_nonce"] = lambda: "made for this page"
    assert rendered(app).count(' nonce="made for this page">') == 2


def test_the_tag_says_where_events_go_and_that_there_is_no_consent_yet(app: Flask) -> None:
    tag = rendered(
        app, "{{ tcs_events_script(endpoint='https://x.example/e', consent=False, stub=False) }}"
    )
    assert ' defer data-endpoint="https://x.example/e" data-consent="false">' in tag
    assert "data-" not in rendered(app)


def test_the_tag_asks_for_the_cookie_where_the_host_does(app: Flask) -> None:
    tag = rendered(app, "{{ tcs_events_script(cookie=True, stub=False) }}")
    assert tag.endswith(' defer data-cookie="true"></script>')
    assert "data-" not in rendered(app, "{{ tcs_events_script(cookie=False) }}")


@pytest.mark.parametrize("argument", ["nonce", "endpoint"])
def test_no_argument_can_break_out_of_its_attribute(app: Flask, argument: str) -> None:
    template = f"{{{{ tcs_events_script({argument}=evil, stub=False) }}}}"
    tag = rendered(app, template, evil="\"'><script>alert(1)</script>")
    assert tag.count("<script") == tag.count("<") - 1 == 1
    assert tag.count('"') % 2 == 0


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
    assert '<script src="/below/site/track/client.js?v=' in tag


# What a client says it takes, and whether it gets gzip:
# https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
ENCODINGS: dict[str | None, bool] = {
    None: False,
    "": False,
    "gzip": True,
    "GZIP": True,
    "x-gzip": True,
    "gzip, deflate, br, zstd": True,
    "deflate, gzip;q=0.1": True,
    "gzip;q=1.0, identity;q=0.5": True,
    "identity;q=0, gzip": True,
    "gzip;q=0.5, identity;q=0.5": True,
    "*": True,
    "*;q=0.1": True,
    "br;q=1, *;q=0.2": True,
    "gzip;q=0": False,
    "gzip;q=0.000": False,
    "gzip;q=0, *": False,
    "*;q=0": False,
    "*;q=0, identity;q=0": False,
    "identity": False,
    "identity, gzip;q=0.5": False,
    "br": False,
    "deflate, zstd": False,
    "gzipped": False,
    ";;;": False,
}


@pytest.mark.parametrize("path", ["tracker.js", "client.js", "openapi.json"])
class TestCompression:
    def ask(self, app: Flask, path: str, accepted: str | None, **headers: str) -> Any:
        if accepted is not None:
            headers["Accept-Encoding"] = accepted
        return app.test_client().get(f"{URL}/{path}", headers=headers)

    @pytest.mark.parametrize("accepted", ENCODINGS)
    def test_it_is_compressed_where_that_is_asked_for(
        self, app: Flask, path: str, accepted: str | None
    ) -> None:
        plain = self.ask(app, path, None)
        answer = self.ask(app, path, accepted)
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        if ENCODINGS[accepted]:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(answer.data) == plain.data
            assert len(answer.data) < len(plain.data)
        else:
            assert "Content-Encoding" not in answer.headers
            assert answer.data == plain.data

    def test_each_form_is_kept_by_its_own_etag(self, app: Flask, path: str) -> None:
        tags = {form: self.ask(app, path, form).headers["ETag"] for form in ("gzip", "identity")}
        assert tags["gzip"] != tags["identity"]
        for form, tag in tags.items():
            # A proxy that has packed it itself says W/: the same all the same.
            for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
                again = self.ask(app, path, form, **{"If-None-Match": known})
                assert (again.status_code, again.data) == (304, b"")
                assert again.headers["ETag"] == tag
                assert again.headers["Vary"] == "Accept-Encoding"
            [other] = set(tags.values()) - {tag}
            assert self.ask(app, path, form, **{"If-None-Match": other}).status_code == 200

    @pytest.mark.parametrize("form", ["gzip", "identity"])
    def test_head_says_what_get_would(self, app: Flask, path: str, form: str) -> None:
        headers = {"Accept-Encoding": form}
        got = app.test_client().get(f"{URL}/{path}", headers=headers)
        head = app.test_client().head(f"{URL}/{path}", headers=headers)
        assert head.data == b""
        assert head.headers["Content-Length"] == got.headers["Content-Length"]
        assert head.headers.get("Content-Encoding") == got.headers.get("Content-Encoding")
        assert head.headers["ETag"] == got.headers["ETag"]
