"""Where a page or a browser denies something, nothing breaks, and what can be sent is stored."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.browser.tracker.browsers import NO_KEEPALIVE, STORAGE_DENIED
from tests.browser.tracker.conftest import FailingSite, listen, queued, track, wait_until

FILL_STORAGE = """room => {
    for (let size = 2 ** 23; size >= 1; size /= 2)
        try { while (true) localStorage.filler = (localStorage.filler || "") + "x".repeat(size); }
        catch {}
    localStorage.filler = localStorage.filler.slice(room);
}"""
"""To the last byte, but for `room` bytes."""
TRACK_AND_MEASURE = """() => {
    tcsEvents.trackEvent("card_click", {number: 1});
    const entries = Object.entries(localStorage);
    return entries.find(([key]) => key.startsWith("tcs_e_")).join("").length;
}"""
STORAGE_ERROR = "() => { try { localStorage; } catch (error) { return error.name; } }"
HAS_SESSION = "Object.keys(localStorage).includes('tcs_session_id')"
BLOCKED_COOKIES = {"profile": {"default_content_setting_values": {"cookies": 2}}}
PARTITIONED_STORAGE = "--disable-features=Translate"
"""As in any visitor's Chromium: this takes the place of Playwright's list, which forbids it."""


@pytest.fixture
def page_of(playwright: Any, chromium: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a page of a Chromium with its own preferences and arguments."""
    with contextlib.ExitStack() as stack:

        def open_page(preferences: dict[str, Any], *arguments: str) -> Any:
            folder = tmp_path / "profile"
            (folder / "Default").mkdir(parents=True)
            (folder / "Default" / "Preferences").write_text(json.dumps(preferences))
            profile = playwright.chromium.launch_persistent_context(
                folder, executable_path=chromium, args=[*CHROMIUM_ARGUMENTS, *arguments]
            )
            stack.callback(profile.close)
            listen(profile, thrown)
            return profile.new_page()

        thrown: list[str] = []
        yield open_page
    assert thrown == []


def test_events_are_stored_under_a_strict_content_security_policy(
    site: FailingSite, page: Any
) -> None:
    page.goto(f"{site.url}/strict")
    page.get_by_text("Buy").click()
    track(page, 2)
    assert site.wait_for_numbers(2) == [1, 2]


def test_events_are_stored_where_storage_is_full(site: FailingSite, page: Any) -> None:
    page.goto(site.url)
    page.evaluate(FILL_STORAGE, 0)
    filled = page.evaluate("localStorage.filler.length")
    track(page, 1, 2)
    page.get_by_text("Buy").click()
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert len({event["session_id"] for event in site.events()}) == 1
    assert page.evaluate("Object.keys(localStorage)") == ["filler"]
    assert page.evaluate("localStorage.filler.length") == filled


def test_an_event_that_takes_the_last_of_the_storage_is_sent_once(
    site: FailingSite, page: Any
) -> None:
    """It fits when it is stored, and must not need more room when it is sent."""
    page.goto(site.url)
    size = page.evaluate(TRACK_AND_MEASURE)
    assert wait_until(lambda: queued(page) == [], seconds=5)
    page.evaluate(FILL_STORAGE, size - 7)
    track(page, 2)
    assert site.wait_for_numbers(2) == [1, 2]
    assert wait_until(lambda: queued(page) == [], seconds=5)
    assert [entry["event"]["payload"]["number"] for entry in site.faults.received()] == [1, 2]


@pytest.mark.parametrize("lacks", [STORAGE_DENIED, NO_KEEPALIVE], ids=["storage", "keepalive"])
def test_events_are_stored_once_where_the_browser_lacks_something(
    site: FailingSite, page: Any, lacks: str
) -> None:
    page.add_init_script(lacks)
    page.goto(site.url)
    track(page, 1, 2)
    page.get_by_text("Buy").click()
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert len({event["session_id"] for event in site.events()}) == 1


def test_events_are_stored_where_the_visitor_blocks_cookies(
    site: FailingSite, page_of: Callable[..., Any]
) -> None:
    page = page_of(BLOCKED_COOKIES)
    page.goto(site.url)
    assert page.evaluate(STORAGE_ERROR) == "SecurityError"
    track(page, 1, 2)
    page.get_by_text("Buy").click()
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert len({event["session_id"] for event in site.events()}) == 1


def test_events_without_storage_outlast_a_server_that_is_busy(site: FailingSite, page: Any) -> None:
    page.add_init_script(STORAGE_DENIED)
    page.clock.install()
    page.goto(site.url)
    site.faults.refuse(retry_after=1)
    track(page, 1, 2)
    site.wait_for_requests(1)
    site.faults.end()
    page.clock.run_for("00:20")  # more than it waits for an answer, and for the server
    assert site.wait_for_numbers(2) == [1, 2]


def test_a_frame_of_another_site_stores_its_events_from_a_storage_of_its_own(
    site: FailingSite, page_of: Callable[..., Any]
) -> None:
    page = page_of({}, PARTITIONED_STORAGE)
    page.goto(site.url)
    track(page, 1)
    assert site.wait_for_numbers(1) == [1]
    page.goto(f"{site.elsewhere}/frame?source={site.url}/")
    [_, frame] = page.frames
    assert not frame.evaluate(HAS_SESSION)  # though the page of the same origin has left one
    track(frame, 2)
    frame.get_by_text("Buy").click()
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert wait_until(lambda: queued(frame) == [], seconds=5)
    own, *framed = site.events()
    assert own["session_id"] not in {event["session_id"] for event in framed}


def test_a_sandboxed_frame_stores_its_events(site: FailingSite, page: Any) -> None:
    """It has no origin: `localStorage` throws, and what it sends crosses origins."""
    page.goto(f"{site.url}/frame?source=/&attributes=sandbox=allow-scripts")
    [_, frame] = page.frames
    assert frame.evaluate(STORAGE_ERROR) == "SecurityError"
    track(frame, 1, 2)
    frame.get_by_text("Buy").click()
    assert site.wait_for_numbers(3) == [1, 1, 2]


def test_a_page_of_another_origin_hears_that_its_events_are_stored(
    site: FailingSite, page: Any
) -> None:
    """Else it keeps them, sends them again and again, and goes quiet in between."""
    page.goto(f"{site.elsewhere}/?tracker_host={site.url}")
    track(page, 1)
    site.wait_for_numbers(1)
    assert wait_until(lambda: queued(page) == [], seconds=3)
    track(page, 2)
    assert site.wait_for_numbers(2, seconds=3) == [1, 2]
