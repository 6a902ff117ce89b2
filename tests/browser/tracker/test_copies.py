"""Several copies of the tracker in one page: bundled ones, and those that a swap runs again."""

from __future__ import annotations

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import numbers_once_settled, track
from tests.browser.tracker.built import SCRIPT, bundle, library
from tests.browser.tracker.pages import BUTTON, TAG, page
from tests.browser.tracker.site import Site

TURNS = 3


def test_two_bundled_copies_and_the_script_count_a_click_once(site: Site, tab: Tab) -> None:
    site.serve("/one.js", bundle("one"), SCRIPT)
    site.serve("/two.js", bundle("two"), SCRIPT)
    bundles = '<script src="/one.js"></script><script src="/two.js"></script>'
    tab.open(site.serve("/", page(head=bundles + TAG)))
    tab.click("button")
    tab.run("one.trackEvent('card_click', {number: 2})")
    tab.run("two.trackEvent('card_click', {number: 3})")
    assert site.wait_for_numbers(3) == [1, 2, 3]
    assert numbers_once_settled(site, tab) == [1, 2, 3]
    assert len({event["session_id"] for event in site.events()}) == 1


def test_two_bundled_copies_without_the_script_count_a_click_once(site: Site, tab: Tab) -> None:
    site.serve("/one.js", bundle("one"), SCRIPT)
    site.serve("/two.js", bundle("two"), SCRIPT)
    bundles = '<script src="/one.js"></script><script src="/two.js"></script>'
    tab.open(site.serve("/", page(head=bundles)))
    tab.click("button")
    tab.run("two.trackEvent('card_click', {number: 2})")
    assert site.wait_for_numbers(2) == [1, 2]
    tab.run("one.trackEvent('card_click', {number: 3})")
    assert site.wait_for_numbers(3) == [1, 2, 3]


def test_copies_send_what_waits_once(site: Site, tab: Tab) -> None:
    """All of them look at the same queue."""
    site.serve("/one.js", bundle("one"), SCRIPT)
    tab.open(site.serve("/", page(head='<script src="/one.js"></script>' + TAG + TAG)))
    site.faults.refuse(retry_after=1)
    track(tab, 1, 2, 3)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    site.faults.end()
    assert site.wait_for_numbers(3) == [1, 2, 3]
    assert numbers_once_settled(site, tab) == [1, 2, 3]
    accepted = [post for post in site.faults.posts if post.status == 202]
    assert sorted(event["payload"]["number"] for post in accepted for event in post.events) == [
        1,
        2,
        3,
        999,
    ]


def test_a_body_that_turbo_swaps_counts_a_click_once(site: Site, tab: Tab) -> None:
    """Turbo runs the scripts of each body that it puts in."""
    site.serve("/turbo.js", library("@hotwired/turbo/dist/turbo.es2017-umd.js"), SCRIPT)
    head = '<script src="/turbo.js"></script>'
    for turn in range(TURNS + 1):
        link = f'<a href="/turn{turn + 1}">On</a><p id="turn{turn}"></p>'
        site.serve(f"/turn{turn}", page(head=head, body=BUTTON + link + TAG))
    tab.open(f"{site.url}/turn0")
    tab.run("self.survives = true")
    for turn in range(TURNS):
        tab.click("a")
        assert tab.wait_for("document.querySelector(arguments[0])", f"#turn{turn + 1}")
    assert tab.run("return self.survives"), "the page was loaded anew, not swapped"
    tab.click("button")
    assert site.wait_for_numbers(1) == [1]
    assert numbers_once_settled(site, tab) == [1]


def test_a_part_that_htmx_swaps_counts_a_click_once(site: Site, tab: Tab) -> None:
    """So does htmx."""
    site.serve("/htmx.js", library("htmx.org/dist/htmx.min.js"), SCRIPT)
    site.serve("/part", f"<section>{BUTTON}{TAG}</section>")
    swap = '<div id="here"></div><a hx-get="/part" hx-target="#here" hx-swap="innerHTML">On</a>'
    tab.open(site.serve("/", page(head='<script src="/htmx.js"></script>' + TAG, body=swap)))
    for _ in range(TURNS):
        tab.run("document.querySelector('#here').innerHTML = ''")
        tab.click("a")
        assert tab.wait_for("document.querySelector('#here button')")
    assert tab.wait_for("self.tcsEvents?.trackEvent")
    tab.click("button")
    assert site.wait_for_numbers(1) == [1]
    assert numbers_once_settled(site, tab) == [1]
