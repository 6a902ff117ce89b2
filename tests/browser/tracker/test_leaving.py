"""The event of a click that leaves the page arrives, though its page is gone when it does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.tracker.browsers import NO_KEEPALIVE
from tests.browser.tracker.conftest import FailingSite, queued
from tests.browser.tracker.host import STUCK_SECONDS

LEAVE_IN_THE_SAME_TICK = """() => {
    for (let before = 0; before < 30; before++) fetch("/stuck?" + before).catch(() => {});
    tcsEvents.trackEvent("card_click", {number: 1});
    location.href = "about:blank";
}"""
"""The event has no connection yet when its page ends: of six, and thirty wait before it."""


@pytest.mark.parametrize("leaves_to", ["the same site", "another site"])
def test_a_click_on_a_link_arrives(site: FailingSite, page: Any, leaves_to: str) -> None:
    """At another site there is no tracker that could send later what is left in the queue."""
    target = f"{site.elsewhere if leaves_to == 'another site' else site.url}/next"
    page.goto(f"{site.url}/?link={target}")
    page.get_by_text("Leave").click()
    page.wait_for_url(target)
    assert site.wait_for_numbers(1) == [1]


def test_an_event_in_the_same_tick_as_the_page_ends_arrives(site: FailingSite, page: Any) -> None:
    page.goto(site.url)
    page.evaluate(LEAVE_IN_THE_SAME_TICK)
    assert site.wait_for_numbers(1) == [1]


def test_without_keepalive_the_same_event_ends_with_its_page(site: FailingSite, page: Any) -> None:
    """It is still queued for the next page of the site; the test above does not live on that."""
    page.add_init_script(NO_KEEPALIVE)
    page.goto(site.url)
    page.evaluate(LEAVE_IN_THE_SAME_TICK)
    assert site.wait_for_numbers(1, seconds=2 * STUCK_SECONDS) == []
    page.goto(f"{site.url}/next")
    assert len(queued(page)) == 1


def test_a_click_that_leaves_arrives_at_another_origin_without_a_preflight(
    site: FailingSite, page: Any
) -> None:
    page.goto(f"{site.elsewhere}/?tracker_host={site.url}&link={site.elsewhere}/next")
    page.get_by_text("Leave").click()
    page.wait_for_url("**/next")
    assert site.wait_for_numbers(1) == [1]
    # Counted by the server: Chromium does not tell the page's observers of its preflights.
    assert [entry["method"] for entry in site.wait_for_requests(1)] == ["POST"]
