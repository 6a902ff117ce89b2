"""The page of the last events, as a developer has it open."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.browser.conftest import Complaints, Site
from tests.support import card_click

HOST = "tests.browser.plain_host:create_app()"
HOSTILE = "</pre><main><img src=x onerror=alert(1)>"


def send(site: Site, **changes: object) -> None:
    body = json.dumps(card_click(**changes)).encode()
    with suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"{site.url}/api/events", data=body, timeout=60).close()


def test_it_shows_new_events_by_itself_and_leaves_open_what_is_open(
    serve: Callable[..., Site],
    sqlite_url: str,
    page: Any,
    complaints: Complaints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    site = serve(HOST, sqlite_url)
    page.goto(f"{site.url}/api/events/debug")
    page.get_by_text("No event has come yet").wait_for()
    send(site, event_type=HOSTILE, payload={HOSTILE: HOSTILE})
    page.get_by_text("What was sent").click()
    shown = page.locator("pre")
    assert HOSTILE in shown.inner_text()
    send(site)
    page.locator("li.event").nth(1).wait_for()
    assert [text.strip() for text in page.locator(".outcome").all_inner_texts()] == [
        "accepted",
        "invalid",
    ]
    assert shown.nth(1).is_visible()
    assert not shown.nth(0).is_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator("body").evaluate("body => document.documentElement.scrollWidth") == 390
    assert complaints == []
