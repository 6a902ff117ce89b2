"""A page as a visitor with an ad blocker opens it: real lists decide on each of its requests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from tests.browser.engines.chromium import ChromiumTab
from tests.browser.tracker.acting import complaints, track
from tests.browser.tracker.built import SCRIPT
from tests.browser.tracker.pages import TAG, page
from tests.browser.tracker.site import Site
from tests.support import need_module

SOURCE = files("tcs_events").joinpath("static/tracker.js").read_text()
KINDS = {"fetch": "xmlhttprequest", "xhr": "xmlhttprequest", "document": "main_frame"}
"""What Playwright and ad blockers call the same kind of request."""


@pytest.fixture
def blocking_tab(browser: Any) -> Iterator[ChromiumTab]:
    """A tab with EasyList and EasyPrivacy in force. Only Chromium's driver can be told to block."""
    need_module("braveblock")
    import braveblock

    lists = braveblock.Adblocker()

    def decide(route: Any) -> None:
        request = route.request
        kind = KINDS.get(request.resource_type, request.resource_type)
        if lists.check_network_urls(request.url, request.frame.url or request.url, kind):
            route.abort("blockedbyclient")
        else:
            route.continue_()

    profile = browser.new_context()
    profile.route("**/*", decide)
    tab = ChromiumTab(profile.new_page())
    yield tab
    complained = complaints(tab)
    profile.close()
    assert complained == []


def shop(site: Site) -> str:
    return f"http://shop.example:{site.port}"


def test_everything_arrives_by_the_names_that_we_ship_with(
    site: Site, blocking_tab: ChromiumTab
) -> None:
    tab = blocking_tab
    tab.open(shop(site))
    tab.click("button")
    track(tab, 2)
    tab.run("tcsEvents.identify('ada@example.com')")
    # The lists are asked while the test talks to the browser, and not while it waits for rows.
    assert tab.wait_for("flying === 0")
    assert site.wait_for_numbers(2) == [1, 2]
    assert {post.path for post in site.wait_for_posts(3)} >= {"/api/events/identify"}


def test_a_prefix_with_a_word_of_the_lists_is_blocked(
    site: Site, blocking_tab: ChromiumTab
) -> None:
    """The lists are in force: the same script does not come under the name of analytics."""
    site.serve("/api/analytics/tracker.js", SOURCE, SCRIPT)
    site.serve("/", page(head=TAG.replace("/api/events/", "/api/analytics/")))
    tab = blocking_tab
    tab.open(shop(site))
    tab.click("button")
    assert tab.run("return typeof self.tcsEvents?.sessionId") == "undefined"
    assert tab.run("return localStorage.length") == 0
    assert site.events() == []
