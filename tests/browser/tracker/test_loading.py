"""Loaded in any way a page can load a script: it tracks, or says why not, and never throws."""

from __future__ import annotations

from importlib.resources import files

import pytest
from flask import render_template_string

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import numbers_once_settled
from tests.browser.tracker.built import SCRIPT
from tests.browser.tracker.pages import BUTTON, page
from tests.browser.tracker.site import Site

SOURCE = files("tcs_events").joinpath("static/tracker.js").read_text()
ADDRESS = "/api/events/tracker.js"
INJECTED = f"""<script>
    addEventListener("load", () => setTimeout(() => {{
        const tag = document.createElement("script");
        tag.src = "{ADDRESS}";
        document.head.append(tag);
    }}, 50));
</script>"""
IN_HEAD = [
    f'<script src="{ADDRESS}"></script>',
    f'<script src="{ADDRESS}" async></script>',
    f'<script src="{ADDRESS}" defer></script>',
    f'<script src="{ADDRESS}" type="module"></script>',
    f'<script type="module">import "{ADDRESS}";</script>',
    f'<script type="module">await import("{ADDRESS}");</script>',
    INJECTED,
    f"<script>{SOURCE}</script>",
    f'<script data-endpoint="/api/events">{SOURCE}</script>',
    f'<script type="module">{SOURCE}</script>',
    '<script src="/api/events/client.js" defer></script>',
    '<script src="/assets/app-3f2a.js" data-endpoint="/api/events" defer></script>',
    '<script src="{elsewhere}/assets/app-3f2a.js" data-endpoint="{url}/api/events"></script>',
    '<script src="{elsewhere}/assets/app-3f2a.js" data-endpoint="/api/events" async></script>',
    '<script src="/copies/tracker.js" data-endpoint="/api/events" type="module"></script>',
]
IDS = [
    "blocking",
    "async",
    "defer",
    "module",
    "imported",
    "imported later",
    "injected",
    "inlined",
    "inlined with an endpoint",
    "inlined module",
    "client.js",
    "renamed",
    "of another origin",
    "of another origin, async",
    "copied, module",
]
STUB_CALLS = """
    tcsEvents.trackEvent("card_click", {number: 2});
    tcsEvents.trackEvent("card_click", {number: 3});
"""
EVERY_CALL = """
    tcsEvents.trackEvent("card_click", {number: 1});
    tcsEvents.identify("ada@example.com");
    tcsEvents.configure({consent: true});
    tcsEvents.reset();
    tcsEvents.stop();
    tcsEvents.sessionId();
    self.done = true;
"""


def is_loaded(tab: Tab) -> bool:
    """A stub has a list of calls, and no session to tell."""
    return tab.wait_for(
        "self.tcsEvents && (!tcsEvents.q || typeof tcsEvents.sessionId?.() === 'string')"
    )


def our_tag(site: Site) -> str:
    """Return what `{{ tcs_events_script() }}` puts into a page: a stub, and the tag."""
    with site.app.test_request_context():
        return render_template_string("{{ tcs_events_script() }}")


@pytest.mark.parametrize("head", IN_HEAD, ids=IDS)
def test_a_click_is_stored_however_the_script_was_loaded(site: Site, tab: Tab, head: str) -> None:
    cors = {**SCRIPT, "Access-Control-Allow-Origin": "*"}
    site.serve("/assets/app-3f2a.js", SOURCE, cors)
    site.serve("/copies/tracker.js", SOURCE, cors)
    head = head.replace("{elsewhere}", site.elsewhere).replace("{url}", site.url)
    tab.open(site.serve("/", page(head=head, body=BUTTON)))
    assert is_loaded(tab)
    tab.click("button")
    assert site.wait_for_numbers(1) == [1]
    assert numbers_once_settled(site, tab) == [1]


def test_the_attribute_says_where_events_go(site: Site, tab: Tab) -> None:
    """Rather than the script's own address, which is that of another origin here."""
    tag = f'<script src="{site.elsewhere}{ADDRESS}" data-endpoint="{site.url}/api/events"></script>'
    tab.open(site.serve("/", page(head=tag)))
    assert is_loaded(tab)
    tab.click("button")
    assert site.wait_for_numbers(1) == [1]
    posts = (
        "performance.getEntriesByType('resource').map(entry => entry.name)"
        ".filter(name => name.endsWith('/api/events'))"
    )
    assert tab.wait_for(f"{posts}.length")  # which the browser lists a moment after the answer
    assert tab.run(f"return {posts}") == [f"{site.url}/api/events"]


def test_calls_before_the_script_has_loaded_are_made_when_it_has(site: Site, tab: Tab) -> None:
    head = f"{our_tag(site)}<script>{STUB_CALLS}</script>"
    tab.open(site.serve("/", page(head=head)))
    assert is_loaded(tab)
    tab.click("button")
    assert site.wait_for_numbers(3) == [1, 2, 3]
    assert numbers_once_settled(site, tab) == [1, 2, 3]


def test_calls_that_wait_in_the_stub_object_are_made_in_their_order(site: Site, tab: Tab) -> None:
    """The stub's shape is fixed, so that a page may bring its own."""
    stub = """<script>self.tcsEvents = {q: [
        ["configure", {email: "ada@example.com"}],
        ["trackEvent", "card_click", {number: 1}],
        ["reset"],
        ["trackEvent", "card_click", {number: 2}],
    ]};</script>"""
    tab.open(site.serve("/", page(head=stub + f'<script src="{ADDRESS}" async></script>')))
    assert is_loaded(tab)
    assert site.wait_for_numbers(2) == [1, 2]
    first, second = sorted(site.events(), key=lambda event: event["payload"]["number"])
    assert first["email"] == "ada@example.com"
    assert second["email"] is None
    assert first["session_id"] != second["session_id"]


def test_no_call_throws_where_the_script_is_blocked(site: Site, tab: Tab) -> None:
    """What an ad blocker does to it; the tag is ours, and its address leads nowhere."""
    tag = our_tag(site).replace("/api/events/", "/nothing/here/")
    assert "/nothing/here/" in tag
    tab.open(site.serve("/", page(head=tag + f"<script>{EVERY_CALL}</script>")))
    tab.click("button")
    tab.run(EVERY_CALL)
    assert tab.run("return self.done")
    assert tab.run("return said.filter(([kind]) => kind === 'thrown')") == []


def test_a_script_without_a_page_around_it_does_not_throw(site: Site, tab: Tab) -> None:
    """A worker has no document, no window and no storage."""
    site.serve("/worker.js", f"{SOURCE};postMessage('alive');", SCRIPT)
    tab.open(site.serve("/", page(head="", body="")))
    tab.run("""
        const worker = new Worker("/worker.js");
        worker.onmessage = event => { self.outcome = event.data; };
        worker.onerror = event => { event.preventDefault(); self.outcome = event.message; };
    """)
    assert tab.wait_for("self.outcome")
    assert tab.run("return self.outcome") == "alive"
