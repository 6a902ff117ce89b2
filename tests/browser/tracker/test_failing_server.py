"""What a server refuses for now, or takes without an answer, is stored once in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.browser.tracker.conftest import FailingSite, queued, track, wait_until

RETRY_AFTER_SECONDS = 6
"""Longer than the tracker waits by itself after a first failure."""


def test_events_wait_out_a_server_that_is_busy_and_arrive_once(
    site: FailingSite, page: Any
) -> None:
    page.goto(site.url)
    site.faults.refuse(retry_after=RETRY_AFTER_SECONDS)
    with page.expect_response(lambda answer: answer.status == 503):
        track(page, 1)
    site.faults.end()
    track(page, 2, 3)
    page.get_by_text("Buy").click()

    assert site.wait_for_numbers(4, seconds=40) == [1, 1, 2, 3]
    assert wait_until(lambda: queued(page) == [], seconds=15)
    assert site.numbers() == [1, 1, 2, 3]
    refused, next_try, *_ = site.faults.received()
    assert next_try["at"] - refused["at"] >= RETRY_AFTER_SECONDS


def test_an_event_that_is_refused_for_good_is_dropped_and_holds_nothing_up(
    site: FailingSite, page: Any
) -> None:
    page.goto(site.url)
    site.faults.refuse(retry_after=1)
    track(page, 1)
    page.evaluate("tcsEvents.trackEvent('no_such_type', {number: 2})")
    track(page, 3)
    site.wait_for_requests(3)
    site.faults.end()

    assert site.wait_for_numbers(2, seconds=30) == [1, 3]
    assert wait_until(lambda: queued(page) == [], seconds=15)
    answers = Counter(
        (entry["event"]["event_type"], entry["status"])
        for entry in site.faults.received()
        if entry["status"] != 503
    )
    assert answers == {("card_click", 202): 2, ("no_such_type", 422): 1}


def test_an_event_whose_server_is_killed_between_commit_and_answer_is_stored_once(
    start_site: Callable[[str], FailingSite], database_url: str, page: Any
) -> None:
    site = start_site(database_url)
    page.goto(site.url)
    site.faults.die_before_answering()
    track(page, 1)
    site.wait_until_killed()
    assert site.numbers() == [1]
    assert len(queued(page)) == 1

    site.start()
    track(page, 2)
    assert wait_until(lambda: queued(page) == [], seconds=40)
    assert site.numbers() == [1, 2]
    first, again = (
        entry for entry in site.faults.received() if entry["event"]["payload"]["number"] == 1
    )
    assert [first["status"], again["status"]] == [0, 202]
    assert first["event"]["event_id"] == again["event"]["event_id"]
