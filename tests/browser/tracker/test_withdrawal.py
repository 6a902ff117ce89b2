"""Consent that is withdrawn in one tab is withdrawn in all, and for good; a logout starts anew."""

from __future__ import annotations

import pytest

from tests.browser.engines.engine import Engine, Tab, wait_until
from tests.browser.tracker.acting import numbers_once_settled, pass_time, queued, track
from tests.browser.tracker.browsers import CLOCK, STORAGE_DENIED
from tests.browser.tracker.pages import TAG, page
from tests.browser.tracker.site import Site

DENIED = TAG.replace("<script", '<script data-consent="false"')
SAY_NO = "tcsEvents.configure({consent: false})"
SAY_YES = "tcsEvents.configure({consent: true})"
TRACES = """
    return Object.entries(localStorage).filter(([key]) => key.startsWith("tcs_"))
        .map(([key, value]) => key + value).join();
"""
SESSION = "return tcsEvents.sessionId()"


def open_tab(engine: Engine, site: Site) -> Tab:
    tab = engine.new_tab()
    tab.open(site.url)
    return tab


def test_another_open_tab_stops_and_forgets_the_session(site: Site, engine: Engine) -> None:
    first, second = open_tab(engine, site), open_tab(engine, site)
    track(first, 1)
    track(second, 2)
    assert site.wait_for_numbers(2) == [1, 2]
    session = second.run(SESSION)

    first.run(SAY_NO)
    # The other tab hears of it by an event, which takes its time.
    assert wait_until(lambda: session not in second.run(TRACES))
    second.run("document.querySelector('button').click()")
    track(second, 3)
    second.run("tcsEvents.identify('ada@example.com')")
    assert session not in second.run(TRACES)
    assert queued(second) == []

    first.run(SAY_YES)
    track(first, 4)
    track(second, 5)
    assert site.wait_for_numbers(4) == [1, 2, 4, 5]
    assert numbers_once_settled(site, first) == [1, 2, 4, 5]
    _, _, *later = site.events()
    assert session not in {event["session_id"] for event in later}
    assert len({event["session_id"] for event in later}) == 1
    assert [post.path for post in site.faults.posts if "identify" in post.path] == []


def test_the_page_itself_forgets_the_session(site: Site, tab: Tab) -> None:
    """Not only what is stored of it: a page remembers it as well."""
    tab.open(site.url)
    track(tab, 1)
    assert site.wait_for_numbers(1) == [1]
    session = tab.run(SESSION)
    tab.run(SAY_NO)
    assert tab.run(SESSION) != session
    tab.run(SAY_YES)
    track(tab, 2)
    assert site.wait_for_numbers(2) == [1, 2]
    assert len({event["session_id"] for event in site.events()}) == 2


def test_a_page_without_storage_forgets_the_session_as_well(site: Site, tab: Tab) -> None:
    site.before = STORAGE_DENIED
    tab.open(site.url)
    track(tab, 1)
    assert site.wait_for_numbers(1) == [1]
    tab.run(SAY_NO)
    track(tab, 2)
    tab.run(SAY_YES)
    track(tab, 3)
    assert site.wait_for_numbers(2) == [1, 3]
    assert len({event["session_id"] for event in site.events()}) == 2


def test_a_no_is_remembered_by_the_next_page_and_by_new_tabs(site: Site, engine: Engine) -> None:
    tab = open_tab(engine, site)
    tab.run(SAY_NO)
    tab.reload()
    track(tab, 1)
    tab.run("document.querySelector('button').click()")
    other = open_tab(engine, site)
    track(other, 2)
    assert queued(other) == []

    other.run(SAY_YES)
    tab.reload()
    track(tab, 3)
    assert site.wait_for_numbers(1) == [3]
    assert numbers_once_settled(site, tab) == [3]


def test_a_tag_can_make_no_the_default_until_the_visitor_says_yes(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    site.serve("/", page(head=DENIED))
    tab.open(site.url)
    tab.click("button")
    track(tab, 2)
    tab.run("tcsEvents.identify('ada@example.com')")
    pass_time(tab, 30)
    assert site.faults.posts == []
    assert queued(tab) == []
    assert tab.run("return localStorage.getItem('tcs_session_id')") is None

    tab.run(SAY_YES)
    track(tab, 3)
    assert site.wait_for_numbers(1) == [3]
    assert tab.wait_for("flying === 0")  # else the answer is lost, and 3 waits for the clock
    tab.reload()  # a yes is remembered as well
    track(tab, 4)
    assert site.wait_for_numbers(2) == [3, 4]
    assert numbers_once_settled(site, tab) == [3, 4]


def test_a_no_drops_what_waits(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, 1, 2)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    tab.run(SAY_NO)
    site.faults.end()
    pass_time(tab, 60)
    tab.run(SAY_YES)
    track(tab, 3)
    assert site.wait_for_numbers(1) == [3]
    assert numbers_once_settled(site, tab) == [3]


@pytest.mark.parametrize("before", ["", STORAGE_DENIED], ids=["storage", "no storage"])
def test_a_reset_starts_another_session_for_the_next_person(
    site: Site, tab: Tab, before: str
) -> None:
    """And forgets the address: the next person at this machine is somebody else."""
    site.before = before
    tab.open(site.url)
    tab.run("tcsEvents.configure({email: 'ada@example.com'})")
    track(tab, 1)
    assert site.wait_for_numbers(1) == [1]
    session = tab.run(SESSION)
    tab.run("tcsEvents.reset()")
    assert tab.run(SESSION) != session
    track(tab, 2)
    assert site.wait_for_numbers(2) == [1, 2]
    first, second = site.events()
    assert [first["session_id"], first["email"]] == [session, "ada@example.com"]
    assert second["session_id"] != session
    assert second["email"] is None


def test_a_reset_in_one_tab_holds_in_the_others(site: Site, engine: Engine) -> None:
    first, second = open_tab(engine, site), open_tab(engine, site)
    track(second, 1)
    assert site.wait_for_numbers(1) == [1]
    first.run("tcsEvents.reset()")
    track(second, 2)
    assert site.wait_for_numbers(2) == [1, 2]
    assert len({event["session_id"] for event in site.events()}) == 2


def test_a_reset_loses_nothing_that_waits(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    session = tab.run(SESSION)
    tab.run("tcsEvents.reset()")
    site.faults.end()
    pass_time(tab, 30)
    [event] = site.wait_for_events(1)
    assert event["session_id"] == session
