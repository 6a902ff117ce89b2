"""What a visitor does without a network is stored when it is back, with the time it happened.

The server takes no event for so long; its pages it serves, as a service worker would.
"""

from __future__ import annotations

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import pass_time_until, queued, track, wait_until_all_is_sent
from tests.browser.tracker.browsers import CLOCK, STORAGE_DENIED
from tests.browser.tracker.site import Site

EVENTS = 30
SECONDS_BETWEEN = 20
TWO_DAYS_MS = 2 * 24 * 3600 * 1000
TRACK = """
    const [number, pause] = arguments;
    tcsEvents.trackEvent("card_click", {number, happened: Date.now()});
    clock.advance(pause);
"""
COME_ONLINE = "dispatchEvent(new Event('online'))"


def test_thirty_events_survive_offline_and_a_reload_and_keep_their_time_by_a_wrong_clock(
    site: Site, tab: Tab
) -> None:
    """Time does not pass by itself here, so that a slow machine changes no event's age."""
    site.before = CLOCK
    tab.open(site.url)
    tab.run("clock.jump(arguments[0])", TWO_DAYS_MS)
    site.faults.cut()
    for number in range(EVENTS):
        tab.run(TRACK, number, SECONDS_BETWEEN * 1000)
    tab.reload()
    assert queued(tab) == list(range(EVENTS))
    assert site.events() == []

    site.faults.end()
    tab.run(COME_ONLINE)
    assert pass_time_until(tab, site, EVENTS) == list(range(EVENTS))
    assert wait_until_all_is_sent(tab)
    assert site.numbers() == list(range(EVENTS))
    back_seconds = tab.run("return Date.now()") / 1000
    for event in site.events():
        waited = (event["received_at"] - event["created_at"]).total_seconds()
        age = back_seconds - event["payload"]["happened"] / 1000
        assert abs(waited - age) < 2 * SECONDS_BETWEEN


def test_without_a_storage_the_same_events_are_gone_after_the_reload(site: Site, tab: Tab) -> None:
    """The page lives on nothing but the queue: without one, the test above would fail."""
    site.before = STORAGE_DENIED
    tab.open(site.url)
    site.faults.cut()
    track(tab, *range(EVENTS))
    tab.reload()
    site.faults.end()
    track(tab, EVENTS)
    assert site.wait_for_numbers(1) == [EVENTS]


def test_an_event_on_its_way_when_the_clock_is_set_back_is_not_held_back(
    site: Site, tab: Tab
) -> None:
    """A computer that starts with a wrong clock gets the right one once it is online."""
    site.before = CLOCK
    tab.open(site.url)
    tab.run("clock.jump(arguments[0])", TWO_DAYS_MS)
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    site.wait_for_posts(1)
    site.faults.end()

    tab.run("clock.jump(-arguments[0])", TWO_DAYS_MS)
    tab.reload()
    assert pass_time_until(tab, site, 1, seconds=20) == [1]
