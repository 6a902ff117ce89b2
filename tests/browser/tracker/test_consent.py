"""A visitor who says no is left alone: nothing is sent, and nothing is kept."""

from __future__ import annotations

from typing import Any

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import pass_time, queued, track
from tests.browser.tracker.browsers import CLOCK, GLOBAL_PRIVACY_CONTROL
from tests.browser.tracker.site import Site

A_MINUTE = 60


def session(tab: Tab) -> Any:
    return tab.run("return localStorage.getItem('tcs_session_id')")


def give_occasions_to_send(tab: Tab) -> None:
    """Click, and let a minute of ticks go by: more than any back-off of these tests."""
    tab.click("button")
    pass_time(tab, A_MINUTE)


def test_without_consent_nothing_is_sent_and_nothing_is_kept(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    site.wait_for_posts(1)
    assert queued(tab) == [1]
    assert session(tab)
    tab.run("tcsEvents.configure({consent: false})")
    assert queued(tab) == []
    assert session(tab) is None

    site.faults.end()
    track(tab, 2)
    tab.run("tcsEvents.identify('ada@example.com')")
    give_occasions_to_send(tab)
    assert queued(tab) == []
    assert session(tab) is None
    tab.run("tcsEvents.configure({consent: true})")
    track(tab, 3)
    assert site.wait_for_numbers(1) == [3]
    assert [post.status for post in site.wait_for_posts(2)] == [503, 202]


def test_global_privacy_control_is_heeded_unless_the_page_says_otherwise(
    site: Site, tab: Tab
) -> None:
    site.before = GLOBAL_PRIVACY_CONTROL + CLOCK
    tab.open(site.url)
    track(tab, 1)
    tab.run("tcsEvents.identify('ada@example.com')")
    give_occasions_to_send(tab)
    assert queued(tab) == []
    assert session(tab) is None

    tab.run("tcsEvents.configure({respectGpc: false})")
    track(tab, 2)
    assert site.wait_for_numbers(1) == [2]
    assert len(site.wait_for_posts(1)) == 1


def test_a_stopped_page_sends_nothing_more_and_leaves_its_queue_to_the_next(
    site: Site, tab: Tab
) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    site.wait_for_posts(1)
    tab.run("tcsEvents.stop()")
    site.faults.end()
    track(tab, 2)
    tab.run("tcsEvents.identify('ada@example.com')")
    give_occasions_to_send(tab)
    assert queued(tab) == [1]
    assert len(site.faults.posts) == 1

    tab.reload()
    tab.click("button")
    pass_time(tab, A_MINUTE)
    assert site.wait_for_numbers(2) == [1, 1]
