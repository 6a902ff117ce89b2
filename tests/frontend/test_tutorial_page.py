"""The page of the booking site in TypeScript: it compiles against the declared event types.

What the compiler refuses, the endpoint refuses for the same reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tcs_events import create_blueprint
from tests.conftest import MakeHost
from tests.npm_package import compile_strictly
from tests.support import URL
from tests.tutorial import EVENT_TYPES, GENERATED, host_files, install_npm_packages, write_site

SEARCH = {"text": "moon", "found": 0, "rooms": [], "filters": {}}
FILTER = {"filter": "max_price", "value": 100, "filters": {}, "found": 1}
WRONG: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "a type that nobody declared": (
        "serach",
        SEARCH,
        "event_type",
        "unplanned",
        "'\"serach\"' is not assignable to parameter of type",
    ),
    "a missing field": (
        "search",
        {name: value for name, value in SEARCH.items() if name != "text"},
        "payload.text",
        "required",
        "Property 'text' is missing",
    ),
    "a value that is not in the list": (
        "filter_changed",
        {**FILTER, "filter": "price"},
        "payload.filter",
        "not_allowed",
        "Type '\"price\"' is not assignable to type '\"max_price\"'",
    ),
}
"""The mistakes that the page tells its reader to try: the type, the payload, where the endpoint
finds what is wrong and its code, and the compiler's words."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    install_npm_packages(folder)
    return folder


def test_the_page_compiles(site: Path) -> None:
    assert compile_strictly(site).stdout == ""


@pytest.mark.parametrize("mistake", WRONG)
def test_compiler_and_endpoint_refuse_the_same_mistake(
    site: Path, make_host: MakeHost, sqlite_url: str, mistake: str
) -> None:
    event_type, payload, path, code, words = WRONG[mistake]
    page = site / "frontend" / "wrong.ts"
    page.write_text(
        'import { trackEvent } from "tcs-events";\n'
        f"trackEvent({json.dumps(event_type)}, {json.dumps(payload)});\n"
    )
    said = compile_strictly(site).stdout
    page.unlink()
    assert "frontend/wrong.ts(2," in said
    assert words in said

    app = make_host(sqlite_url, create_blueprint(event_types=EVENT_TYPES))
    event = {"event_type": event_type, "session_id": "visitor-1", "payload": payload}
    answer = app.test_client().post(URL, json=event)
    assert answer.status_code == 422
    [detail] = answer.json["details"]
    assert (detail["path"], detail["code"]) == (path, code)


def test_the_types_are_those_that_the_command_writes(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, create_blueprint(event_types=EVENT_TYPES))
    written = app.test_cli_runner().invoke(args=["tcs-events", "types", "--ts"]).output
    assert written == host_files()[GENERATED]
