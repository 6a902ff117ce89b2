"""A visitor of the demo: every click, search and filter becomes a row."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Complaints, Site
from tests.browser.engines.chromium import ARGUMENTS

DEMO = "tcs_events.demo:create_app()"
UUID_V4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SESSION = "localStorage.getItem('tcs_session_id')"


def slide_to(page: Any, value: int) -> None:
    """Move the slider with the keyboard, and leave it."""
    slider = page.locator("#rate")
    slider.focus()
    while int(slider.input_value()) > value:
        slider.press("ArrowLeft")


def test_a_visitor_searches_filters_and_clicks_a_card_that_leaves_the_page(
    serve: Callable[..., Site], database_url: str, page: Any
) -> None:
    site = serve(DEMO, database_url)
    page.goto(site.url)
    page.fill("#query", "design")
    page.click("#ask")
    site.wait_for_events(1)
    tag = page.locator("input[name=tags]").first
    tag_name = tag.get_attribute("value")
    page.locator(".chip").first.click()
    site.wait_for_events(2)
    page.goto(site.url)
    card = page.locator(".card-link").first
    username = card.get_attribute("href").rsplit("/", 1)[1]
    card.click()
    page.wait_for_url(f"**/experts/{username}")

    search, filtering, click = site.wait_for_events(3)
    assert search["event_type"] == "sage_query"
    assert filtering["event_type"] == "filter_change"
    assert click["event_type"] == "card_click"
    if isinstance(search["payload"], str):  # SQLite has JSON as text
        import json

        search, filtering, click = (
            {**event, "payload": json.loads(event["payload"])}
            for event in (search, filtering, click)
        )
    assert search["payload"]["query_text"] == "design"
    assert search["payload"]["result_count"] == len(search["payload"]["expert_ids"]) > 0
    assert filtering["payload"]["filters"]["tags"] == [tag_name]
    assert click["payload"] == {"expert_id": username, "context": "grid"}

    session = page.evaluate(SESSION)
    assert UUID_V4.fullmatch(session)
    assert {event["session_id"] for event in (search, filtering, click)} == {session}
    page.reload()
    assert page.evaluate(SESSION) == session
    page.goto(site.url)
    page.locator(".card-link").first.click()
    assert [event["session_id"] for event in site.wait_for_events(4)] == [session] * 4


def test_a_reload_of_the_results_sends_nothing_again(
    serve: Callable[..., Site], sqlite_url: str, page: Any
) -> None:
    site = serve(DEMO, sqlite_url)
    page.goto(site.url)
    page.fill("#query", "design")
    page.click("#ask")
    site.wait_for_events(1)
    shown = page.locator("#results .card").count()
    page.reload()
    assert page.locator("#results .card").count() == shown
    page.wait_for_timeout(500)
    assert len(site.events()) == 1


def test_dragging_the_slider_is_one_event_at_its_release(
    serve: Callable[..., Site], sqlite_url: str, page: Any
) -> None:
    site = serve(DEMO, sqlite_url)
    page.goto(site.url)
    box = page.locator("#rate").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 8, middle)
    page.mouse.down()
    for step in range(1, 21):
        page.mouse.move(box["x"] + box["width"] - 8 - step * box["width"] / 40, middle)
    page.mouse.up()
    site.wait_for_events(1)
    page.wait_for_timeout(500)
    assert [event["event_type"] for event in site.events()] == ["filter_change"]


def test_the_live_list_shows_what_has_just_been_stored(
    serve: Callable[..., Site], sqlite_url: str, page: Any
) -> None:
    site = serve(DEMO, sqlite_url)
    page.goto(site.url)
    page.fill("#query", "<b>nobody</b> knows this")
    page.click("#ask")
    row = page.locator("#just-stored li[data-event-type=sage_query]")
    row.get_by_text("<b>nobody</b> knows this").wait_for()
    slide_to(page, 100)
    page.locator("#just-stored li[data-event-type=filter_change]").first.wait_for()


def test_the_demo_works_without_javascript(
    serve: Callable[..., Site], sqlite_url: str, browser: Any
) -> None:
    site = serve(DEMO, sqlite_url)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url)
    page.fill("#query", "design")
    page.click("#ask")
    assert page.locator("#results .card").count() > 0
    page.locator(".card-link").first.click()
    assert "/experts/" in page.url
    context.close()
    assert site.events() == []


class TestHostilePages:
    """Where a browser withholds what the tracker would like, events arrive and nothing throws."""

    def click_two_cards(self, site: Site, page: Any, address: str) -> list[dict[str, Any]]:
        for _ in range(2):
            page.goto(address)
            page.locator(".card-link").first.click()
            page.wait_for_url("**/experts/*")
        return site.wait_for_events(2)

    def test_plain_http_on_a_name_that_is_not_localhost(
        self, serve: Callable[..., Site], sqlite_url: str, page: Any
    ) -> None:
        site = serve(DEMO, sqlite_url)
        first, second = self.click_two_cards(site, page, f"http://shop.example:{site.port}/")
        assert page.evaluate("[isSecureContext, typeof crypto.randomUUID]") == [False, "undefined"]
        assert UUID_V4.fullmatch(first["session_id"])
        assert first["session_id"] == second["session_id"] == page.evaluate(SESSION)

    def test_a_browser_without_random_uuid(
        self, serve: Callable[..., Site], sqlite_url: str, page: Any
    ) -> None:
        site = serve(DEMO, sqlite_url)
        page.add_init_script("delete Crypto.prototype.randomUUID")
        first, second = self.click_two_cards(site, page, site.url)
        assert page.evaluate("typeof crypto.randomUUID") == "undefined"
        assert UUID_V4.fullmatch(first["session_id"])
        assert first["session_id"] == second["session_id"]

    def test_a_browser_that_denies_storage(
        self,
        serve: Callable[..., Site],
        sqlite_url: str,
        playwright: Any,
        chromium: str,
        complaints: Complaints,
        tmp_path: Any,
    ) -> None:
        site = serve(DEMO, sqlite_url)
        profile = tmp_path / "profile"
        (profile / "Default").mkdir(parents=True)
        # The browser's own setting "block all cookies", which denies localStorage too.
        (profile / "Default" / "Preferences").write_text(
            '{"profile": {"default_content_setting_values": {"cookies": 2}}}'
        )
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=ARGUMENTS
        )
        page = context.new_page()
        complaints.listen_to(page)
        first, second = self.click_two_cards(site, page, site.url)
        denied = "() => { try { localStorage.length; return '' } catch (e) { return e.name } }"
        assert page.evaluate(denied) == "SecurityError"
        context.close()
        assert complaints == []
        assert UUID_V4.fullmatch(first["session_id"])
        assert UUID_V4.fullmatch(second["session_id"])
        assert first["session_id"] != second["session_id"]  # it lives as long as its page

    @pytest.mark.parametrize("missing", ["fetch", "localStorage", "crypto"])
    def test_a_page_where_something_is_missing_works_as_before(
        self, serve: Callable[..., Site], sqlite_url: str, page: Any, missing: str
    ) -> None:
        site = serve(DEMO, sqlite_url)
        page.add_init_script(
            f"Object.defineProperty(window, '{missing}', {{value: undefined}})"
            if missing != "fetch"
            else "window.fetch = () => { throw new TypeError('blocked') }"
        )
        page.goto(site.url)
        page.locator(".card-link").first.click()
        page.wait_for_url("**/experts/*")
        assert len(site.wait_for_events(1, seconds=2)) == (missing == "localStorage")
