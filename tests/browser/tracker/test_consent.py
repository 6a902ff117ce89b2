"""A visitor who says no is left alone: nothing is sent, and nothing is kept."""

from __future__ import annotations

from typing import Any

from tests.browser.tracker.browsers import GLOBAL_PRIVACY_CONTROL
from tests.browser.tracker.conftest import FailingSite, queued, track

TRACES = "Object.keys(localStorage).filter(key => key.startsWith('tcs_'))"
A_MINUTE = "01:00"


def give_occasions_to_send(page: Any) -> None:
    """Click, and let a minute of ticks go by: more than any back-off of these tests."""
    page.get_by_text("Buy").click()
    page.clock.run_for(A_MINUTE)


def test_without_consent_nothing_is_sent_and_nothing_is_kept(
    site: FailingSite, profile: Any
) -> None:
    page = profile.new_page()
    page.clock.install()
    page.goto(site.url)
    site.faults.refuse(retry_after=1)
    track(page, 1)
    site.wait_for_requests(1)
    assert page.evaluate(TRACES) != []
    page.evaluate("tcsEvents.configure({consent: false})")
    assert page.evaluate(TRACES) == []

    site.faults.end()
    track(page, 2)
    page.evaluate("tcsEvents.identify('ada@example.com')")
    give_occasions_to_send(page)
    assert page.evaluate(TRACES) == []
    page.evaluate("tcsEvents.configure({consent: true})")
    track(page, 3)
    assert site.wait_for_numbers(1) == [3]
    assert [entry["status"] for entry in site.wait_for_requests(2)] == [503, 202]


def test_global_privacy_control_is_heeded_unless_the_page_says_otherwise(
    site: FailingSite, profile: Any
) -> None:
    page = profile.new_page()
    page.add_init_script(GLOBAL_PRIVACY_CONTROL)
    page.clock.install()
    page.goto(site.url)
    track(page, 1)
    page.evaluate("tcsEvents.identify('ada@example.com')")
    give_occasions_to_send(page)
    assert page.evaluate(TRACES) == []

    page.evaluate("tcsEvents.configure({respectGpc: false})")
    track(page, 2)
    assert site.wait_for_numbers(1) == [2]
    assert len(site.wait_for_requests(1)) == 1


def test_a_stopped_page_sends_nothing_more_and_leaves_its_queue_to_the_next(
    site: FailingSite, profile: Any
) -> None:
    page = profile.new_page()
    page.clock.install()
    page.goto(site.url)
    site.faults.refuse(retry_after=1)
    track(page, 1)
    site.wait_for_requests(1)
    page.evaluate("tcsEvents.stop()")
    site.faults.end()
    track(page, 2)
    page.evaluate("tcsEvents.identify('ada@example.com')")
    give_occasions_to_send(page)
    assert [body["payload"]["number"] for _, _, body in queued(page)] == [1]
    assert len(site.faults.received()) == 1

    page.reload()
    page.get_by_text("Buy").click()
    assert site.wait_for_numbers(2) == [1, 1]
    assert len(site.wait_for_requests(3)) == 3
