"""An origin's storage has other users: what is theirs is neither sent nor deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.browser.engines.engine import Tab, wait_until
from tests.browser.tracker.acting import pass_time, queued, track
from tests.browser.tracker.browsers import CLOCK
from tests.browser.tracker.pages import TAG, page
from tests.browser.tracker.site import Site

FOREIGN = {
    "cart": '[{"number": 7}]',
    "theme": "dark",
    "tcs": "theirs",
    "tcs_settings": '{"theirs": true}',
    "events": "[1, 2, 3]",
    "": "a key without a name",
}
PUT = "for (const [key, value] of Object.entries(arguments[0])) localStorage.setItem(key, value);"
GET = "return Object.fromEntries(arguments[0].map(key => [key, localStorage.getItem(key)]))"


def test_keys_of_another_app_stay_as_they_are(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(f"{site.url}/next")
    tab.run(PUT, FOREIGN)
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, *range(60))
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    pass_time(tab, 5)
    assert tab.run(GET, list(FOREIGN)) == FOREIGN
    site.faults.end()
    pass_time(tab, 30)
    assert queued(tab) == []
    tab.run("tcsEvents.reset()")
    tab.run("tcsEvents.configure({consent: false})")
    assert tab.run(GET, list(FOREIGN)) == FOREIGN


def test_what_is_no_entry_of_ours_breaks_nothing(site: Site, tab: Tab) -> None:
    """Under the very prefix of our own keys, as another version might leave it."""
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    site.wait_for_posts(1)
    site.faults.end()
    tab.run("""
        const ours = Object.keys(localStorage).filter(key => key.startsWith("tcs_"));
        for (const key of ours.filter(key => key !== "tcs_session_id"))
            for (const value of ["", "null", "7", "[]", "{}", "[1", '"text"', "[null]", "[[]]"])
                localStorage.setItem(key + "x" + value, value);
    """)
    track(tab, 2)
    pass_time(tab, 30)
    assert wait_until(lambda: {1, 2} <= set(site.numbers()))
    assert len(site.numbers()) == 2


def test_two_apps_under_one_origin_send_each_its_own(
    site: Site, tab: Tab, make_host: Callable[..., Any], tmp_path: Any
) -> None:
    """One at `/`, one at `/other`, each with its own database, visited in turns in an outage."""
    site.before = CLOCK
    other = Site(make_host(f"sqlite:///{tmp_path}/other.db"), site.port)
    other.before = CLOCK
    site.app.wsgi_app = DispatcherMiddleware(site.app.wsgi_app, {"/other": other.app.wsgi_app})  # type: ignore[method-assign]
    other.serve("/", page(head=TAG.replace('src="', 'src="/other')))
    site.faults.refuse(retry_after=1)
    other.faults.refuse(retry_after=1)
    tab.open(site.url)
    track(tab, 1, 2)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    tab.open(f"{site.url}/other/")
    track(tab, 3, 4)
    other.wait_for_posts(1)
    assert tab.wait_for("flying === 0")

    other.faults.end()
    pass_time(tab, 30)
    assert other.numbers() == [3, 4]
    assert site.events() == []
    site.faults.end()
    tab.open(site.url)
    pass_time(tab, 30)
    assert site.numbers() == [1, 2]
    assert other.numbers() == [3, 4]
    other.close()


def test_another_endpoint_of_the_page_gets_what_is_recorded_for_it(
    site: Site, tab: Tab, make_host: Callable[..., Any], tmp_path: Any
) -> None:
    """`configure({endpoint})` is for events from now on: those that wait were for the other one."""
    site.before = CLOCK
    other = Site(make_host(f"sqlite:///{tmp_path}/other.db"), site.port)
    site.app.wsgi_app = DispatcherMiddleware(site.app.wsgi_app, {"/other": other.app.wsgi_app})  # type: ignore[method-assign]
    site.faults.refuse(retry_after=1)
    tab.open(site.url)
    track(tab, 1)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    tab.run("tcsEvents.configure({endpoint: '/other/api/events'})")
    track(tab, 2)
    pass_time(tab, 10)
    assert other.numbers() == [2]
    site.faults.end()
    tab.reload()
    pass_time(tab, 60)
    assert site.numbers() == [1]
    assert other.numbers() == [2]
    other.close()
