"""The event of a click that leaves the page arrives, though its page is gone when it does."""

from __future__ import annotations

import pytest

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import queued
from tests.browser.tracker.browsers import NO_KEEPALIVE
from tests.browser.tracker.pages import home
from tests.browser.tracker.site import STUCK_SECONDS, Site

LEAVE_IN_THE_SAME_TICK = """
    for (let before = 0; before < 30; before++) fetch("/stuck?" + before).catch(() => {});
    tcsEvents.trackEvent("card_click", {number: 1});
    location.href = "about:blank";
"""
"""The event has no connection yet when its page ends: of six, and thirty wait before it."""


@pytest.mark.parametrize("leaves_to", ["the same site", "another site"])
def test_a_click_on_a_link_arrives(site: Site, tab: Tab, leaves_to: str) -> None:
    """At another site there is no tracker that could send later what is left in the queue."""
    target = f"{site.elsewhere if leaves_to == 'another site' else site.url}/next"
    tab.open(site.serve("/", home(link=target)))
    tab.click("a")
    tab.wait_for_page(target)
    assert site.wait_for_numbers(1) == [1]


def test_an_event_in_the_same_tick_as_the_page_ends_arrives(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    tab.run(LEAVE_IN_THE_SAME_TICK)
    assert site.wait_for_numbers(1) == [1]


# WebKit ends what the page has asked for one by one, and the event has its turn in between.
@pytest.mark.parametrize("running_engine", ["chromium", "firefox"], indirect=True)
def test_without_keepalive_the_same_event_ends_with_its_page(site: Site, tab: Tab) -> None:
    """It is still queued for the next page of the site; the test above does not live on that."""
    site.before = NO_KEEPALIVE
    tab.open(site.url)
    tab.run(LEAVE_IN_THE_SAME_TICK)
    tab.wait_for_page("about:blank")
    tab.open(f"{site.url}/next")
    assert queued(tab) == [1]
    assert site.wait_for_numbers(1, seconds=2 * STUCK_SECONDS) == []


def test_an_event_of_a_tab_that_is_closed_at_once_arrives(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    tab.run("tcsEvents.trackEvent('card_click', {number: 1})")
    tab.close()
    assert site.wait_for_numbers(1) == [1]


def test_a_click_that_leaves_arrives_at_another_origin_without_a_preflight(
    site: Site, tab: Tab
) -> None:
    site.serve("/", home(tracker_host=site.url))
    tab.open(site.elsewhere)
    tab.click("a")
    tab.wait_for_page("/next")
    assert site.wait_for_numbers(1) == [1]
    # Counted by the server: browsers do not tell a page of its preflights.
    assert [post.method for post in site.wait_for_posts(1)] == ["POST"]
