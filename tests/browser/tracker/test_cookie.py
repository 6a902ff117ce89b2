"""The session in a cookie: for the host's own server, where host and visitor want it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import request

from tests.browser.engines.engine import Engine, Tab, wait_until
from tests.browser.tracker.acting import track
from tests.browser.tracker.browsers import CLOCK, GLOBAL_PRIVACY_CONTROL
from tests.browser.tracker.pages import TAG, page
from tests.browser.tracker.site import Site

WITH_COOKIE = page(head=TAG.replace("<script", "<script data-cookie"))
NAME = "tcs_session_id"
COOKIE = f"return document.cookie.match(/{NAME}=([^;]*)/)?.[1] ?? null"
STORED = f"return localStorage.getItem('{NAME}')"
SAY_NO = "tcsEvents.configure({consent: false})"
SAY_YES = "tcsEvents.configure({consent: true})"


@pytest.fixture
def tab(site: Site, engine: Engine) -> Tab:
    """A tab that keeps no cookie of another test: the engine's profile is shared."""
    tab = engine.new_tab()
    tab.open(site.url + "/next")
    tab.run(f"document.cookie = '{NAME}=; Path=/; Max-Age=0'")
    return tab


def what_is_sent_to(site: Site, path: str, read: Callable[[], str | None]) -> list[str | None]:
    """Return a list that grows by what each later request to the path has sent."""
    sent: list[str | None] = []

    def remember() -> None:
        if request.path == path:
            sent.append(read())

    # The app has served a page by now, and takes no decorator any more.
    site.app.before_request_funcs.setdefault(None, []).append(remember)
    return sent


def open_with_cookie(site: Site, tab: Tab) -> str:
    site.serve("/", WITH_COOKIE)
    tab.open(site.url)
    assert tab.wait_for(f"document.cookie.includes('{NAME}')")
    session: str = tab.run(COOKIE)
    return session


def test_there_is_none_by_default(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    track(tab, 1)
    tab.run("tcsEvents.reset()")
    assert site.wait_for_numbers(1) == [1]
    assert tab.run(COOKIE) is None


def test_the_server_knows_the_session_before_the_first_event(site: Site, tab: Tab) -> None:
    sent = what_is_sent_to(site, "/next", lambda: request.cookies.get(NAME))
    session = open_with_cookie(site, tab)
    assert session == tab.run(STORED)
    tab.open(site.url + "/next")
    assert sent == [session]
    tab.open(site.url)
    track(tab, 1)
    [event] = site.wait_for_events(1)
    assert event["session_id"] == session


def test_it_is_for_this_site_alone_and_for_all_of_its_pages(site: Site, tab: Tab) -> None:
    """Chromium tells how it keeps a cookie. Other browsers tell its name and value alone."""
    open_with_cookie(site, tab)
    kept = tab.run(f"return self.cookieStore ? cookieStore.get('{NAME}') : {{}}")
    if "path" in kept:
        assert (kept["path"], kept["sameSite"], kept["domain"]) == ("/", "lax", None)
    site.serve("/below/deep", page(head=""))
    tab.open(site.url + "/below/deep")
    assert tab.run(COOKIE) is not None


def test_it_goes_with_a_no_and_comes_with_a_yes(site: Site, tab: Tab) -> None:
    session = open_with_cookie(site, tab)
    tab.run(SAY_NO)
    assert tab.run(COOKIE) is None
    tab.reload()
    track(tab, 1)
    assert tab.run(COOKIE) is None
    tab.run(SAY_YES)
    assert tab.run(COOKIE) == tab.run(STORED)
    assert tab.run(COOKIE) not in {None, session}


def test_it_waits_for_a_yes_where_no_is_the_default(site: Site, tab: Tab) -> None:
    head = TAG.replace("<script", '<script data-cookie data-consent="false"')
    site.serve("/", page(head=head))
    tab.open(site.url)
    tab.click("button")
    assert tab.run(COOKIE) is None
    tab.run(SAY_YES)
    assert tab.run(COOKIE) == tab.run(STORED)


def test_it_goes_under_global_privacy_control(site: Site, tab: Tab) -> None:
    open_with_cookie(site, tab)
    site.before = GLOBAL_PRIVACY_CONTROL
    tab.reload()
    tab.click("button")
    assert tab.run(COOKIE) is None


def test_a_no_in_one_tab_removes_it_and_no_other_tab_makes_it_again(
    site: Site, tab: Tab, engine: Engine
) -> None:
    open_with_cookie(site, tab)
    other = engine.new_tab()
    other.open(site.url)
    tab.run(SAY_NO)
    track(other, 1)
    other.run("document.querySelector('button').click()")
    assert other.run(COOKIE) is None


def test_a_reset_gives_the_next_person_another(site: Site, tab: Tab, engine: Engine) -> None:
    """And what waits goes with the session it was recorded in."""
    site.before = CLOCK
    session = open_with_cookie(site, tab)
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    tab.run("tcsEvents.reset()")
    next_session = tab.run(COOKIE)
    assert next_session not in {None, session}
    site.faults.end()
    track(tab, 2)
    other = engine.new_tab()
    other.open(site.url)
    track(other, 3)
    for _ in range(60):
        tab.run("clock.advance(1000)")
        assert tab.wait_for("flying === 0")
        if len(site.events()) == 3:
            break
    sessions = {event["payload"]["number"]: event["session_id"] for event in site.events()}
    assert sessions == {1: session, 2: next_session, 3: next_session}
    assert other.run(COOKIE) == next_session


def test_a_session_that_another_tab_changes_is_rewritten(
    site: Site, tab: Tab, engine: Engine
) -> None:
    """By the tab that has the cookie, as the other's page does not write it."""
    open_with_cookie(site, tab)
    site.serve("/quiet", page(head="<script></script>"))
    other = engine.new_tab()
    other.open(site.url + "/quiet")
    other.run(f"localStorage.setItem('{NAME}', 'of-another-tab')")
    assert wait_until(lambda: tab.run(COOKIE) == "of-another-tab")


def test_a_page_without_the_option_removes_it_and_keeps_the_session(site: Site, tab: Tab) -> None:
    session = open_with_cookie(site, tab)
    site.serve("/", page())
    tab.open(site.url)
    assert tab.wait_for(f"!document.cookie.includes('{NAME}')")
    assert tab.run(STORED) == session


def test_a_page_that_is_denied_cookies_tracks_all_the_same(site: Site, tab: Tab) -> None:
    site.before = """
        const fail = () => { throw new DOMException("denied", "SecurityError"); };
        Object.defineProperty(Document.prototype, "cookie", { get: fail, set: fail });
    """
    site.serve("/", WITH_COOKIE)
    tab.open(site.url)
    track(tab, 1)
    tab.run("tcsEvents.reset()")
    track(tab, 2)
    assert site.wait_for_numbers(2) == [1, 2]
    first, second = site.events()
    assert first["session_id"] != second["session_id"]


def test_the_hosts_own_request_carries_the_session_in_a_header(site: Site, tab: Tab) -> None:
    """As the guide says: also without consent, when there is none to send."""
    heard = what_is_sent_to(site, "/next", lambda: request.headers.get("X-TCS-Session-ID"))
    book_it = """
        const headers = { "X-TCS-Session-ID": tcsEvents.sessionId() ?? "" };
        return fetch("/next", { headers }).then(answer => answer.status);
    """
    tab.open(site.url)
    assert tab.run(book_it) == 200
    session = tab.run(STORED)
    tab.run(SAY_NO)
    assert tab.run(book_it) == 200
    assert heard == [session, ""]
