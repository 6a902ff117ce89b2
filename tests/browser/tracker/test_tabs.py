"""Tabs of one visitor share a queue: between them they store everything, and nothing twice."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tests.browser.tracker.conftest import FailingSite, queued, track, wait_until

TABS = 10
CLICKS = 500
CLOSED_OF_CLICKS = 0.1
CLICK = """number => {
    const button = document.querySelector("button");
    button.dataset.trackPayload = JSON.stringify({number});
    button.click();
}"""
"""By script: Playwright's mouse waits for frames, of which Chromium draws few in ten tabs."""
EVENTS_PER_TAB = 2
"""Four together: as many as the server has threads, so that none waits for another's answer."""
LATE_SECONDS = 5
"""More than two of the tracker's ticks, and less than it waits for an answer."""


def open_tab(profile: Any, site: FailingSite) -> Any:
    tab = profile.new_page()
    tab.goto(site.url)
    return tab


def test_five_hundred_clicks_in_ten_tabs_that_close_at_random_are_stored_once(
    site: FailingSite, profile: Any
) -> None:
    chance = random.Random(500)
    tabs = [open_tab(profile, site) for _ in range(TABS)]
    closed = 0
    for number in range(CLICKS):
        place = chance.randrange(TABS)
        tab = tabs[place]
        tab.evaluate(CLICK, number)
        if chance.random() < CLOSED_OF_CLICKS:
            tab.close()
            tabs[place] = open_tab(profile, site)
            closed += 1
    last = tabs.pop()
    for tab in tabs:
        tab.close()

    assert closed > 30
    assert wait_until(lambda: queued(last) == [], seconds=40)
    assert site.numbers() == list(range(CLICKS))


def test_after_an_outage_each_event_of_two_tabs_is_sent_once_though_answers_are_late(
    site: FailingSite, profile: Any
) -> None:
    """Either tab sends what both have queued, and the other leaves alone what is on its way.

    Late answers give both tabs the time to send an event twice. What cannot be excluded is that
    both look at the very same moment: their ticks are therefore a second apart.
    """
    site.faults.refuse(retry_after=1)
    first = open_tab(profile, site)
    first.wait_for_function("performance.now() > 1000", polling=10)
    second = open_tab(profile, site)
    track(first, *range(EVENTS_PER_TAB))
    track(second, *range(EVENTS_PER_TAB, 2 * EVENTS_PER_TAB))
    site.wait_for_requests(2 * EVENTS_PER_TAB)
    site.faults.answer_late(LATE_SECONDS)

    assert site.wait_for_numbers(2 * EVENTS_PER_TAB, seconds=40) == list(range(2 * EVENTS_PER_TAB))
    # Now nobody sends any of them again, so that the count is final.
    assert wait_until(lambda: queued(first) == [], seconds=20)
    accepted = Counter(
        entry["event"]["event_id"] for entry in site.faults.received() if entry["status"] == 202
    )
    assert sorted(accepted.values()) == [1] * 2 * EVENTS_PER_TAB
