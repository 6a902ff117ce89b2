"""Where a page or a browser denies something, nothing breaks, and what can be sent is stored."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.engines.chromium import ARGUMENTS, ChromiumTab
from tests.browser.engines.engine import Engine, Tab
from tests.browser.engines.firefox import Firefox
from tests.browser.tracker.acting import (
    complaints,
    pass_time_until,
    queued,
    track,
    wait_until_all_is_sent,
)
from tests.browser.tracker.browsers import CLOCK, NO_KEEPALIVE, NO_RANDOM_UUID, STORAGE_DENIED
from tests.browser.tracker.pages import frame, home
from tests.browser.tracker.site import Site

FILL_STORAGE = """
    const [room] = arguments;
    for (let size = 2 ** 23; size >= 1; size /= 2)
        try { while (true) localStorage.filler = (localStorage.filler || "") + "x".repeat(size); }
        catch {}
    localStorage.filler = localStorage.filler.slice(room);
"""
"""To the last byte, but for `room` bytes."""
TRACK_AND_MEASURE = """
    const before = Object.entries(localStorage).join().length;
    tcsEvents.trackEvent("card_click", {number: 1});
    return Object.entries(localStorage).join().length - before;
"""
STORAGE_ERROR = "try { localStorage; } catch (error) { return error.name; }"
HAS_SESSION = "return Object.keys(localStorage).includes('tcs_session_id')"
TRACK_AND_CLICK = """
    tcsEvents.trackEvent("card_click", {number: arguments[0]});
    document.querySelector("button").click();
"""
BLOCKED_COOKIES = {"profile": {"default_content_setting_values": {"cookies": 2}}}
PARTITIONED_STORAGE = "--disable-features=Translate"
"""As in any visitor's Chromium: this takes the place of Playwright's list, which forbids it."""


@pytest.fixture
def chromium_tab_of(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., ChromiumTab]]:
    """Open a tab of a Chromium with its own preferences and arguments."""
    with contextlib.ExitStack() as stack:

        def open_tab(preferences: dict[str, Any], *arguments: str) -> ChromiumTab:
            folder = tmp_path / "profile"
            (folder / "Default").mkdir(parents=True)
            (folder / "Default" / "Preferences").write_text(json.dumps(preferences))
            profile = request.getfixturevalue("playwright").chromium.launch_persistent_context(
                folder,
                executable_path=request.getfixturevalue("chromium"),
                args=[*ARGUMENTS, *arguments],
            )
            stack.callback(profile.close)
            tab = ChromiumTab(profile.new_page())
            tabs.append(tab)
            return tab

        tabs: list[ChromiumTab] = []
        yield open_tab
        for tab in tabs:
            assert complaints(tab) == []


@pytest.fixture
def blocking_tab(engine: Engine, chromium_tab_of: Callable[..., ChromiumTab]) -> Iterator[Tab]:
    """A tab of a visitor who blocks all cookies."""
    if isinstance(engine, Firefox):
        with engine.preferences({"network.cookie.cookieBehavior": 2}):
            yield engine.new_tab()
    else:
        yield chromium_tab_of(BLOCKED_COOKIES)


@pytest.fixture
def partitioning_tab(engine: Engine, chromium_tab_of: Callable[..., ChromiumTab]) -> Tab:
    """A tab where sites in frames have a storage of their own, as visitors have it."""
    if engine.name == "chromium":
        return chromium_tab_of({}, PARTITIONED_STORAGE)
    return engine.new_tab()


def test_events_are_stored_under_a_strict_content_security_policy(site: Site, tab: Tab) -> None:
    tab.open(f"{site.url}/strict")
    tab.click("button")
    track(tab, 2)
    assert site.wait_for_numbers(2) == [1, 2]


def test_events_are_stored_where_storage_is_full(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    tab.run(FILL_STORAGE, 0)
    filled = tab.run("return localStorage.filler.length")
    track(tab, 1, 2)
    tab.click("button")
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert len({event["session_id"] for event in site.events()}) == 1
    assert tab.run("return Object.keys(localStorage)") == ["filler"]
    assert tab.run("return localStorage.filler.length") == filled


def test_an_event_that_takes_the_last_of_the_storage_is_sent_once(site: Site, tab: Tab) -> None:
    """It fits when it is stored, and must not need more room when it is sent."""
    tab.open(site.url)
    track(tab, 0)  # the session is stored by now
    assert wait_until_all_is_sent(tab)
    size = tab.run(TRACK_AND_MEASURE)
    assert wait_until_all_is_sent(tab)
    tab.run(FILL_STORAGE, size)
    track(tab, 2)
    assert site.wait_for_numbers(3) == [0, 1, 2]
    assert wait_until_all_is_sent(tab)
    assert [event["payload"]["number"] for event in site.faults.events()] == [0, 1, 2]


@pytest.mark.parametrize(
    "lacks",
    [STORAGE_DENIED, NO_KEEPALIVE, NO_RANDOM_UUID],
    ids=["storage", "keepalive", "randomUUID"],
)
def test_events_are_stored_once_where_the_browser_lacks_something(
    site: Site, tab: Tab, lacks: str
) -> None:
    site.before = lacks
    tab.open(site.url)
    track(tab, 1, 2)
    tab.click("button")
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert len({event["session_id"] for event in site.events()}) == 1


# WebKitGTK's small browser has no such setting.
@pytest.mark.parametrize("running_engine", ["chromium", "firefox"], indirect=True)
def test_events_are_stored_where_the_visitor_blocks_cookies(site: Site, blocking_tab: Tab) -> None:
    tab = blocking_tab
    tab.open(site.url)
    assert tab.run(STORAGE_ERROR) == "SecurityError"
    track(tab, 1, 2)
    tab.click("button")
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert len({event["session_id"] for event in site.events()}) == 1


# WebKitGTK's driver knows no name but those of this machine, which are all secure contexts.
@pytest.mark.parametrize("running_engine", ["chromium", "firefox"], indirect=True)
def test_events_are_stored_on_plain_http(site: Site, tab: Tab) -> None:
    tab.open(f"http://shop.example:{site.port}")
    assert tab.run("return [isSecureContext, typeof crypto.randomUUID]") == [False, "undefined"]
    track(tab, 1, 2)
    tab.click("button")
    assert site.wait_for_numbers(3) == [1, 1, 2]
    assert len({event["session_id"] for event in site.events()}) == 1


def test_events_without_storage_outlast_a_server_that_is_busy(site: Site, tab: Tab) -> None:
    site.before = CLOCK + STORAGE_DENIED
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, 1, 2)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    site.faults.end()
    assert pass_time_until(tab, site, 2) == [1, 2]


def test_a_frame_of_another_site_stores_its_events_from_a_storage_of_its_own(
    site: Site, partitioning_tab: Tab
) -> None:
    tab = partitioning_tab
    tab.open(site.url)
    track(tab, 1)
    assert site.wait_for_numbers(1) == [1]
    site.serve("/frame", frame(f"{site.url}/"))
    tab.open(f"{site.elsewhere}/frame")
    assert not tab.run_in_frame(HAS_SESSION)  # though the page of the same origin has left one
    tab.run_in_frame(TRACK_AND_CLICK, 2)
    assert site.wait_for_numbers(3) == [1, 1, 2]
    own, *framed = site.events()
    assert own["session_id"] not in {event["session_id"] for event in framed}


def test_a_sandboxed_frame_stores_its_events(site: Site, tab: Tab) -> None:
    """It has no origin: `localStorage` throws, and what it sends crosses origins."""
    tab.open(site.serve("/frame", frame("/", "sandbox=allow-scripts")))
    assert tab.run_in_frame(STORAGE_ERROR) == "SecurityError"
    tab.run_in_frame(TRACK_AND_CLICK, 2)
    assert site.wait_for_numbers(2) == [1, 2]


def test_a_page_of_another_origin_hears_that_its_events_are_stored(site: Site, tab: Tab) -> None:
    """Else it keeps them, sends them again and again, and goes quiet in between."""
    site.serve("/", home(tracker_host=site.url))
    tab.open(site.elsewhere)
    track(tab, 1)
    site.wait_for_numbers(1)
    assert wait_until_all_is_sent(tab)
    track(tab, 2)
    assert site.wait_for_numbers(2) == [1, 2]
    assert len(site.faults.events()) == 2
    assert queued(tab) == [] or wait_until_all_is_sent(tab)
