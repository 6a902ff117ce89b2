"""Tabs of one visitor share a queue: between them they store everything, and nothing twice."""

from __future__ import annotations

import random
from collections import Counter

from tests.browser.engines.engine import Engine, Tab, wait_until
from tests.browser.tracker.acting import queued, track, wait_until_all_is_sent
from tests.browser.tracker.site import Site

TABS = 5
STEPS = 30
CLICKS_PER_STEP = 10
CLOSED_OF_STEPS = 0.4
CLICK = """
    const [first, clicks] = arguments, button = document.querySelector("button");
    for (let number = first; number < first + clicks; number++) {
        button.dataset.trackPayload = JSON.stringify({number});
        button.click();
    }
"""
MOST_SECONDS = 600
"""Longer than the longest pause between two requests."""
EVENTS_PER_TAB = 2
LATE_SECONDS = 5
"""More than two of the tracker's ticks, and less than it waits for an answer."""


def open_tab(engine: Engine, site: Site) -> Tab:
    tab = engine.new_tab()
    tab.open(site.url)
    return tab


def test_three_hundred_clicks_in_tabs_that_close_at_random_are_stored_once(
    site: Site, engine: Engine
) -> None:
    chance = random.Random(500)
    tabs = [open_tab(engine, site) for _ in range(TABS)]
    closed = 0
    for step in range(STEPS):
        place = chance.randrange(TABS)
        # On a busy machine the server may be busy, too, and a browser keeps fifty events at most.
        assert wait_until(lambda tab=tabs[place]: len(queued(tab)) <= 50 - CLICKS_PER_STEP)
        tabs[place].run(CLICK, step * CLICKS_PER_STEP, CLICKS_PER_STEP)
        if chance.random() < CLOSED_OF_STEPS:
            tabs[place].close()
            tabs[place] = open_tab(engine, site)
            closed += 1
    last = tabs.pop()
    for tab in tabs:
        tab.close()
    # What a tab has not sent when it is closed, the next page sends. A tab that stays open, and has
    # nothing of its own to send, does not notice. After some failures a pause is a minute or more.
    last.open(site.url)

    assert closed > 8
    assert wait_until_all_is_sent(last, MOST_SECONDS)
    assert site.numbers() == list(range(STEPS * CLICKS_PER_STEP))


def test_after_an_outage_each_event_of_two_tabs_is_sent_once_though_answers_are_late(
    site: Site, engine: Engine
) -> None:
    """Either tab sends what both have queued, and the other leaves alone what is on its way.

    Late answers give both tabs the time to send an event twice. What cannot be excluded is that
    both look at the very same moment: they wait for a random time, which is made a different one.
    """
    site.faults.refuse(retry_after=4)
    first, second = open_tab(engine, site), open_tab(engine, site)
    first.run("Math.random = () => 0")
    second.run("Math.random = () => 0.9")
    track(first, *range(EVENTS_PER_TAB))
    track(second, *range(EVENTS_PER_TAB, 2 * EVENTS_PER_TAB))
    site.wait_for_posts(1)
    for tab in (first, second):
        assert tab.wait_for("flying === 0")
    site.faults.answer_late(LATE_SECONDS)

    assert site.wait_for_numbers(2 * EVENTS_PER_TAB) == list(range(2 * EVENTS_PER_TAB))
    # Now nobody sends any of them again, so that the count is final.
    assert wait_until_all_is_sent(first)
    accepted = Counter(
        event["event_id"]
        for post in site.faults.posts
        if post.status == 202
        for event in post.events
    )
    assert sorted(accepted.values()) == [1] * 2 * EVENTS_PER_TAB
