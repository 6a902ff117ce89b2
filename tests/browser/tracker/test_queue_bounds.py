"""However long the server fails, the queue of a visitor stays small, and keeps the newest."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.tracker.conftest import FailingSite, queued, wait_until

EVENTS = 60
MOST_EVENTS = 50
MOST_BYTES = 48 * 1024
AN_HOUR = 3600

STORED_BYTES = """
    Object.entries(localStorage).filter(([key]) => key.startsWith("tcs_e_"))
        .reduce((bytes, [key, value]) => bytes + new Blob([key, value]).size, 0)
"""


@pytest.mark.parametrize(
    ("note", "least_events"), [("", MOST_EVENTS), ("é" * 700, 25)], ids=["small", "large"]
)
def test_the_newest_events_stay_within_fifty_and_48_kib_and_arrive(
    site: FailingSite, page: Any, note: str, least_events: int
) -> None:
    page.goto(site.url)
    site.faults.refuse(retry_after=AN_HOUR)
    page.evaluate(
        """([events, note]) => {
            for (let number = 0; number < events; number++)
                tcsEvents.trackEvent("card_click", {number, note});
        }""",
        [EVENTS, note],
    )
    kept = [body["payload"]["number"] for _, _, body in queued(page)]
    assert least_events <= len(kept) <= MOST_EVENTS
    assert page.evaluate(STORED_BYTES) <= MOST_BYTES
    assert sorted(kept) == list(range(EVENTS - len(kept), EVENTS))

    site.faults.end()
    page.reload()
    assert wait_until(lambda: queued(page) == [], seconds=40)
    assert set(kept) <= set(site.numbers())
    assert len(site.numbers()) == len(set(site.numbers()))
