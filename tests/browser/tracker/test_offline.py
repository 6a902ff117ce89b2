"""What a visitor does without a network is stored when it is back, with the time it happened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.browser.tracker.browsers import CLOCK_TWO_DAYS_FAST, STORAGE_DENIED
from tests.browser.tracker.conftest import FailingSite, queued, track, wait_until

EVENTS = 30
PAUSE_MS = 100


def keep_within_reach(page: Any, url: str) -> None:
    """Give the browser a file without a network, as a service worker would.

    Offline cuts every request, a reload too. What is answered here does not reach the network,
    and events are not answered here: only the real network takes them.
    """
    answer = page.request.get(url)
    body, headers = answer.body(), answer.headers
    page.route(url, lambda route: route.fulfill(body=body, headers=headers))


def open_within_reach(page: Any, site: FailingSite) -> None:
    keep_within_reach(page, f"{site.url}/")
    keep_within_reach(page, f"{site.url}/api/events/tracker.js")
    page.goto(site.url)


def go_offline(profile: Any, site: FailingSite) -> None:
    """Cut the network at both ends.

    What a page sends in its last moment gets past Chromium's own offline mode, so that the server
    is stopped as well.
    """
    profile.set_offline(True)
    site.stop()


def go_online(profile: Any, site: FailingSite) -> None:
    site.start()
    profile.set_offline(False)


def test_thirty_events_survive_offline_and_a_reload_and_keep_their_time_by_a_wrong_clock(
    site: FailingSite, profile: Any, page: Any
) -> None:
    page.add_init_script(CLOCK_TWO_DAYS_FAST)
    open_within_reach(page, site)
    go_offline(profile, site)
    page.evaluate(
        """async ([events, pause]) => {
            for (let number = 0; number < events; number++) {
                tcsEvents.trackEvent("card_click", {number, happened: RealDate.now()});
                await new Promise(resolve => setTimeout(resolve, pause));
            }
        }""",
        [EVENTS, PAUSE_MS],
    )
    page.reload()
    assert len(queued(page)) == EVENTS
    assert site.faults.received() == []

    go_online(profile, site)
    assert site.wait_for_numbers(EVENTS, seconds=45) == list(range(EVENTS))
    assert wait_until(lambda: queued(page) == [], seconds=15)
    assert site.numbers() == list(range(EVENTS))
    for event in site.events():
        happened = datetime.fromtimestamp(event["payload"]["happened"] / 1000, UTC)
        assert abs((event["created_at"] - happened).total_seconds()) < 1
    # The time they arrived at would not have done.
    waited = [event["received_at"] - event["created_at"] for event in site.events()]
    assert max(waited).total_seconds() > EVENTS * PAUSE_MS / 1000


def test_without_a_storage_the_same_events_are_gone_after_the_reload(
    site: FailingSite, profile: Any, page: Any
) -> None:
    """The page lives on nothing but the queue: without one, the test above would fail."""
    page.add_init_script(STORAGE_DENIED)
    open_within_reach(page, site)
    go_offline(profile, site)
    track(page, *range(EVENTS))
    page.reload()
    go_online(profile, site)
    track(page, EVENTS)
    assert site.wait_for_numbers(1) == [EVENTS]


def test_an_event_on_its_way_when_the_clock_is_set_back_is_not_held_back(
    site: FailingSite, profile: Any
) -> None:
    """A computer that starts with a wrong clock gets the right one once it is online."""
    page = profile.new_page()
    page.add_init_script(CLOCK_TWO_DAYS_FAST)
    page.goto(site.url)
    site.faults.refuse(retry_after=1)
    track(page, 1)
    site.wait_for_requests(1)
    site.faults.end()
    page.close()

    page = profile.new_page()
    page.goto(site.url)
    assert site.wait_for_numbers(1, seconds=20) == [1]
