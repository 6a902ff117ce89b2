"""While the server fails a browser asks now and then; afterwards all arrives at once."""

from __future__ import annotations

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import pass_time, pass_time_until, queued, track
from tests.browser.tracker.browsers import CLOCK, STORAGE_DENIED
from tests.browser.tracker.site import Site
from tests.browser.tracker.test_policies import FILL_STORAGE

PAGES = 10
CLICKS_PER_PAGE = 3
SECONDS_PER_PAGE = 4
MOST_PROBES = 8 + CLICKS_PER_PAGE
"""In 40 s: the first page's clicks, then one after each back-off, which doubles from a second."""
MOST_POSTS_AFTERWARDS = 4
"""A probe, what was waiting in a batch or two, and a click of the test's."""
LONG = 20_000


def turn_pages(site: Site, tab: Tab) -> int:
    """Click on some pages, one after the other; return how many clicks there were."""
    for turn in range(PAGES):
        tab.open(f"{site.url}/?{turn}")
        for click in range(CLICKS_PER_PAGE):
            track(tab, turn * CLICKS_PER_PAGE + click)
        pass_time(tab, SECONDS_PER_PAGE)
    return PAGES * CLICKS_PER_PAGE


def test_an_outage_over_page_turns_is_probed_and_ends_with_a_batch(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    site.faults.refuse()
    clicks = turn_pages(site, tab)
    assert 2 <= len(site.faults.posts) <= MOST_PROBES

    before = len(site.faults.posts)
    site.faults.end()
    assert pass_time_until(tab, site, clicks) == list(range(clicks))
    assert queued(tab) == []
    posts = site.faults.posts[before:]
    assert len(posts) <= MOST_POSTS_AFTERWARDS
    assert [post.path for post in posts if len(post.events) > 1] != []


def test_a_server_that_says_when_is_asked_then_whatever_page_is_open(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    site.faults.refuse(retry_after=120)
    turn_pages(site, tab)
    assert len(site.faults.posts) <= CLICKS_PER_PAGE  # made before the first answer was there


def test_a_server_that_asks_for_two_seconds_gets_its_event_after_them(site: Site, tab: Tab) -> None:
    """With some spread, so that visitors do not come back all at once, but not after ten."""
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=2)
    track(tab, 1)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    site.faults.end()
    pass_time(tab, 1)
    assert site.events() == []
    pass_time(tab, 6)
    assert site.numbers() == [1]


def test_what_storage_has_no_room_for_outlasts_a_refusal(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    tab.run(FILL_STORAGE, 0)
    site.faults.refuse(retry_after=1)
    track(tab, 1, 2)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    site.faults.end()
    assert pass_time_until(tab, site, 2, seconds=60) == [1, 2]


def test_what_storage_has_no_room_for_is_stored_once_it_has(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    tab.run(FILL_STORAGE, 0)
    site.faults.refuse(retry_after=600)
    track(tab, 1)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    tab.run("localStorage.removeItem('filler')")
    pass_time(tab, 10)
    track(tab, 2)
    tab.reload()
    assert queued(tab) == [1, 2]


def test_an_event_too_long_for_the_queue_pushes_no_other_out(site: Site, tab: Tab) -> None:
    """A letter may have three bytes: 20,000 of them are more than the whole queue."""
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=5)
    track(tab, *range(10))
    tab.run(
        "tcsEvents.trackEvent('card_click', {number: 10, note: '汉'.repeat(arguments[0])})", LONG
    )
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    site.faults.end()
    pass_time_until(tab, site, 10, seconds=60)
    pass_time(tab, 30)
    assert [number for number in site.numbers() if number < 10] == list(range(10))
    assert len(site.numbers()) == len(set(site.numbers()))


def test_an_event_too_long_for_the_queue_is_sent_where_it_can_be(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    tab.run(
        "tcsEvents.trackEvent('card_click', {number: 1, note: '汉'.repeat(arguments[0])})", LONG
    )
    track(tab, 2)
    assert site.wait_for_numbers(2) == [1, 2]


def test_a_page_without_storage_probes_as_well(site: Site, tab: Tab) -> None:
    site.before = CLOCK + STORAGE_DENIED
    tab.open(site.url)
    site.faults.refuse()
    for number in range(30):
        track(tab, number)
        pass_time(tab, 1)
    assert len(site.faults.posts) <= MOST_PROBES
    site.faults.end()
    assert pass_time_until(tab, site, 30) == list(range(30))


def test_the_timer_runs_only_while_something_waits(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    # WebKit's driver has a timer of its own in a page that it runs a script in.
    idle = tab.run("return clock.timers()")
    assert idle <= 1
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    assert tab.wait_for("clock.timers() > arguments[0]", idle)
    site.faults.end()
    assert pass_time_until(tab, site, 1) == [1]
    pass_time(tab, 30)
    assert tab.wait_for("clock.timers() <= arguments[0]", idle)
