"""However long the server fails, the queue of a visitor stays small, and keeps the newest."""

from __future__ import annotations

import pytest

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import pass_time, queued
from tests.browser.tracker.browsers import CLOCK
from tests.browser.tracker.site import Site

EVENTS = 60
MOST_EVENTS = 50
MOST_BYTES = 48 * 1024
A_MINUTE = 60
AN_HOUR = 3600

STORED_BYTES = """
    return Object.entries(localStorage)
        .filter(([key]) => key.startsWith("tcs_") && key !== "tcs_session_id")
        .reduce((bytes, [key, value]) => bytes + new Blob([key, value]).size, 0);
"""
TRACK_MANY = """
    const [events, note] = arguments;
    for (let number = 0; number < events; number++)
        tcsEvents.trackEvent("card_click", {number, note}), clock.advance(1);
"""


@pytest.mark.parametrize(
    ("note", "least_events"), [("", MOST_EVENTS), ("é" * 700, 25)], ids=["small", "large"]
)
def test_the_newest_events_stay_within_fifty_and_48_kib_and_arrive(
    site: Site, tab: Tab, note: str, least_events: int
) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=AN_HOUR)
    tab.run(TRACK_MANY, EVENTS, note)
    kept = queued(tab)
    assert least_events <= len(kept) <= MOST_EVENTS
    assert tab.run(STORED_BYTES) <= MOST_BYTES
    assert kept == list(range(EVENTS - len(kept), EVENTS))

    site.faults.end()
    tab.reload()
    tab.run("dispatchEvent(new Event('online'))")  # which ends a back-off, also one that is kept
    pass_time(tab, A_MINUTE)
    assert queued(tab) == []
    assert set(kept) <= set(site.numbers())
    assert len(site.numbers()) == len(set(site.numbers()))
