"""The visitor's clock may show any time, and be set while events wait: they arrive all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import pass_time, pass_time_until, queued, track
from tests.browser.tracker.browsers import CLOCK
from tests.browser.tracker.site import Site

HOUR = 3600
DAY = 24 * HOUR
TO_1970 = "clock.jump(-Date.now() + 5000)"
JUMPS = {
    "an hour back": f"clock.jump({-HOUR * 1000})",
    "an hour on": f"clock.jump({HOUR * 1000})",
    "three days back": f"clock.jump({-3 * DAY * 1000})",
    "three days on": f"clock.jump({3 * DAY * 1000})",
    "ten years on": f"clock.jump({3650 * DAY * 1000})",
    "to 1970": TO_1970,
}
A_MINUTE = 60


def assert_times_are_sane(site: Site) -> None:
    """No event happened in the future or long ago, whatever the visitor's clock says."""
    now = datetime.now(UTC)
    for event in site.events():
        assert now - timedelta(days=8) < event["created_at"] <= event["received_at"]


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS.keys())
def test_an_event_by_a_wrong_clock_is_stored_with_the_right_time(
    site: Site, tab: Tab, jump: str
) -> None:
    """The clock is as wrong when the event is sent, so that its age is right."""
    site.before = CLOCK
    tab.open(site.url)
    tab.run(jump)
    track(tab, 1)
    [event] = site.wait_for_events(1)
    # As wide as a machine may be slow: a wrong clock would show hours.
    assert abs((event["received_at"] - event["created_at"]).total_seconds()) < A_MINUTE


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS.keys())
def test_a_clock_that_is_set_while_events_wait_holds_none_up(
    site: Site, tab: Tab, jump: str
) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=2)
    track(tab, 1, 2)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    tab.run(jump)
    track(tab, 3)
    assert tab.wait_for("flying === 0")
    site.faults.end()
    assert pass_time_until(tab, site, 3, seconds=A_MINUTE) == [1, 2, 3]
    assert_times_are_sane(site)


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS.keys())
def test_a_clock_that_is_set_between_two_pages_holds_none_up(
    site: Site, tab: Tab, jump: str
) -> None:
    """A back-off that outlives its page must not outlive the clock that it was measured by."""
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=2)
    track(tab, 1, 2)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    tab.run(jump)
    site.faults.end()
    tab.reload()
    track(tab, 3)
    assert pass_time_until(tab, site, 3, seconds=A_MINUTE) == [1, 2, 3]
    assert_times_are_sane(site)


def test_a_clock_that_jumps_to_and_fro_loses_nothing(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    for number, jump in enumerate(JUMPS.values()):
        tab.run(jump)
        track(tab, number)
        pass_time(tab, 1)
    tab.run("clock.jump(clock.RealDate.now() - Date.now())")
    site.faults.end()
    # Six refusals in a row: the back-off may have grown to a minute.
    assert pass_time_until(tab, site, len(JUMPS), seconds=10 * A_MINUTE) == list(range(len(JUMPS)))
    assert queued(tab) == []
    assert_times_are_sane(site)
