"""`frontend_snippets/plain.html` as a visitor meets it: a script tag, an attribute, a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.browser.conftest import Site

HOST = "tests.browser.plain_host:create_app()"


def test_a_click_and_a_call_become_events(
    serve: Callable[..., Site], sqlite_url: str, page: Any
) -> None:
    site = serve(HOST, sqlite_url)
    page.goto(site.url)
    page.locator("#rate").press("ArrowRight")
    site.wait_for_events(1)
    page.get_by_text("Ada").click()
    page.wait_for_url("**/experts/ada")

    change, click = site.wait_for_events(2)
    assert change["event_type"] == "filter_change"
    assert json.loads(change["payload"])["filter"] == "rate_max"
    assert click["event_type"] == "card_click"
    assert json.loads(click["payload"]) == {"expert_id": "ada", "context": "grid"}


def test_events_of_another_origin_arrive_without_a_preflight(
    serve: Callable[..., Site], sqlite_url: str, browser: Any
) -> None:
    """The script tells from its own address where events go; the answer need not be readable."""
    site = serve(HOST, sqlite_url)
    context = browser.new_context()
    page = context.new_page()
    methods: list[str] = []
    page.on("request", lambda sent: methods.append(sent.method))
    page.goto(f"http://shop.example:{site.port}/elsewhere?events={site.url}")
    page.get_by_text("Ada").click()
    page.wait_for_url("**/experts/ada")
    [click] = site.wait_for_events(1)
    assert click["event_type"] == "card_click"
    assert "OPTIONS" not in methods
    context.close()
