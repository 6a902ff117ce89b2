"""One act of a visitor is one event, whatever is clicked, and however often we were loaded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import numbers_once_settled
from tests.browser.tracker.pages import BUTTON, LINK, TAG, page
from tests.browser.tracker.site import Site

TRACKED = """data-track-event="card_click" data-track-payload='{"number": 1}'"""
AGAIN = TAG.replace("tracker.js", "tracker.js?v=2")


def open_page(site: Site, tab: Tab, body: str, head: str = TAG) -> None:
    tab.open(site.serve("/", page(head=head, body=body)))


@pytest.mark.parametrize(
    "head", [TAG + TAG, TAG + AGAIN, TAG * 5], ids=["twice", "two addresses", "five times"]
)
def test_the_script_loaded_several_times_counts_a_click_once(
    site: Site, tab: Tab, head: str
) -> None:
    open_page(site, tab, BUTTON, head)
    tab.click("button")
    assert numbers_once_settled(site, tab) == [1]


def test_the_script_put_in_again_later_counts_a_click_once(site: Site, tab: Tab) -> None:
    open_page(site, tab, BUTTON)
    tab.run("""
        const again = document.createElement("script");
        again.src = "/api/events/tracker.js?again";
        again.onload = () => { self.loaded = true; };
        document.body.append(again);
    """)
    assert tab.wait_for("self.loaded")
    tab.click("button")
    tab.run("tcsEvents.trackEvent('card_click', {number: 2})")
    assert numbers_once_settled(site, tab) == [1, 2]


@pytest.mark.parametrize(
    "clicked",
    [
        {"button": "left"},
        {"button": "middle"},
        {"modifiers": ("Control",)},
        {"modifiers": ("Shift",)},
    ],
    ids=["left", "middle", "control", "shift"],
)
def test_a_link_is_counted_however_it_is_opened(
    site: Site, tab: Tab, clicked: dict[str, Any]
) -> None:
    """In another tab, another window, or here: WebKitGTK's small browser always opens it here."""
    site.serve("/next", page())
    open_page(site, tab, LINK.format("/next"))
    tab.click("a", **clicked)
    assert site.wait_for_numbers(1) == [1]
    # A left click leaves the page: what the test does there before it is left would go with it.
    opens_here = "location.pathname === '/next'" if clicked == {"button": "left"} else "true"
    loaded = "document.readyState === 'complete' && self.tcsEvents"
    assert tab.wait_for(f"{opens_here} && {loaded}")
    assert numbers_once_settled(site, tab) == [1]


def test_a_right_click_is_not_counted(site: Site, tab: Tab) -> None:
    """It opens a menu of the browser: by event, as a menu would stay open."""
    open_page(site, tab, LINK.format("/next"))
    tab.run("""
        for (const type of ["contextmenu", "auxclick"])
            document.querySelector("a").dispatchEvent(
                new MouseEvent(type, {bubbles: true, composed: true, button: 2}));
    """)
    assert numbers_once_settled(site, tab) == []


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("Enter", f'<a href="#here" id="target" {TRACKED}>Go</a>'),
        ("Enter", f'<button id="target" {TRACKED}>Go</button>'),
        (" ", f'<button id="target" {TRACKED}>Go</button>'),
    ],
    ids=["enter on a link", "enter on a button", "space on a button"],
)
def test_a_key_counts_as_the_click_that_it_is(site: Site, tab: Tab, key: Any, body: str) -> None:
    open_page(site, tab, body)
    tab.run("document.querySelector('#target').focus()")
    tab.press(key)
    assert site.wait_for_numbers(1) == [1]
    assert numbers_once_settled(site, tab) == [1]


@pytest.mark.parametrize(
    "body",
    [
        f'<a href="#here" id="target" {TRACKED}>Go</a>',
        f'<button id="target" {TRACKED}>Go</button>',
        f'<form {TRACKED} onsubmit="return false"><input id="target"></form>',
    ],
    ids=["a link", "a button", "a form"],
)
def test_a_key_that_is_held_down_counts_once(site: Site, tab: Tab, body: str) -> None:
    """Some browsers click, or submit, again and again."""
    open_page(site, tab, body)
    tab.run("document.querySelector('#target').focus()")
    tab.press("Enter", times=4)
    assert site.wait_for_numbers(1) == [1]
    tab.press("Enter")
    assert numbers_once_settled(site, tab) == [1, 1]


SVG = f"""
    <button {TRACKED}>
        <svg width="40" height="40"><g><rect width="40" height="40"/></g></svg>
    </button>
"""
OPEN_ROOT = f"""
    <div id="host"></div>
    <script>
        document.querySelector("#host").attachShadow({{mode: "open"}}).innerHTML =
            `<button {TRACKED}><b>Buy</b></button>`;
    </script>
"""
SLOTTED = f"""
    <div id="host" {TRACKED}></div>
    <script>
        document.querySelector("#host").attachShadow({{mode: "open"}}).innerHTML = "<b>Buy</b>";
    </script>
"""
NESTED_ROOTS = f"""
    <div id="host"></div>
    <script>
        const outer = document.querySelector("#host").attachShadow({{mode: "open"}});
        outer.innerHTML = "<p id='inner'></p>";
        outer.querySelector("p").attachShadow({{mode: "open"}}).innerHTML =
            `<button {TRACKED}>Buy</button>`;
    </script>
"""
LABELLED = f'<label {TRACKED}>Yes <input type="checkbox" /></label>'
AROUND_A_LABEL = (
    f'<div {TRACKED}><label for="box">Yes</label><input id="box" type="checkbox" /></div>'
)
NESTED = f"""<div {TRACKED.replace("1}", "2}")}><button {TRACKED}>Buy</button></div>"""
STOPPED = f"""
    <div onclick="event.stopPropagation()"><button {TRACKED} onclick="event.stopPropagation()">Buy
    </button></div>
"""
GONE = f'<div id="list"><button {TRACKED} onclick="this.remove()">Buy</button></div>'


@pytest.mark.parametrize(
    ("body", "clicked"),
    [
        (SVG, "rect"),
        (OPEN_ROOT, "#host >>> b"),
        (SLOTTED, "#host >>> b"),
        (NESTED_ROOTS, "#host >>> #inner >>> button"),
        (LABELLED, "label"),
        (AROUND_A_LABEL, "label"),
        (NESTED, "button"),
        (STOPPED, "button"),
        (GONE, "button"),
    ],
    ids=[
        "an SVG's part",
        "in an open shadow root",
        "a tracked host of a shadow root",
        "in a root in a root",
        "a label with its box",
        "a label beside its box",
        "one in another",
        "stopped by the page",
        "removed by the click",
    ],
)
def test_a_click_is_counted_once_wherever_the_element_is(
    site: Site, tab: Tab, body: str, clicked: str
) -> None:
    open_page(site, tab, body)
    tab.click(clicked)
    assert site.wait_for_numbers(1) == [1]
    assert numbers_once_settled(site, tab) == [1]


def test_a_click_whose_target_is_a_text_is_counted(site: Site, tab: Tab) -> None:
    open_page(site, tab, BUTTON)
    tab.run("""
        const text = document.querySelector("button").firstChild;
        text.dispatchEvent(new MouseEvent("click", {bubbles: true, composed: true}));
    """)
    assert numbers_once_settled(site, tab) == [1]


def test_a_disabled_button_counts_nothing(site: Site, tab: Tab) -> None:
    open_page(site, tab, f"<button disabled {TRACKED}>Buy</button>")
    tab.click("button")
    assert numbers_once_settled(site, tab) == []


FORM = f"""
    <form action="/next" {TRACKED}>
        <input name="q" /><button>Send</button>
    </form>
"""
STAYS = '<script>document.querySelector("form").onsubmit = event => event.preventDefault()</script>'


def test_a_form_counts_its_submit_and_no_click_into_it(site: Site, tab: Tab) -> None:
    open_page(site, tab, FORM + STAYS)
    tab.click("input")
    assert numbers_once_settled(site, tab) == []
    tab.click("button")
    assert site.wait_for_numbers(2) == [1, 999]


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves"])
def test_a_form_is_counted_once_when_enter_submits_it(site: Site, tab: Tab, leaves: bool) -> None:
    """Browsers click the button for the visitor then."""
    site.serve("/next", page())
    open_page(site, tab, FORM + ("" if leaves else STAYS))
    tab.run("document.querySelector('input').focus()")
    tab.press("Enter")
    assert site.wait_for_numbers(1) == [1]
    assert tab.wait_for("document.readyState === 'complete' && self.tcsEvents")
    assert numbers_once_settled(site, tab) == [1]


def test_a_form_that_is_not_filled_in_is_not_counted(site: Site, tab: Tab) -> None:
    open_page(site, tab, FORM.replace("<input", "<input required") + STAYS)
    tab.click("button")
    assert numbers_once_settled(site, tab) == []


def test_a_tracked_button_of_a_tracked_form_counts_for_itself(site: Site, tab: Tab) -> None:
    """Two elements that are tracked, two events: a click on the one, the submit of the other."""
    button = f"<button {TRACKED.replace('1}', '2}')}>"
    open_page(site, tab, FORM.replace("<button>", button) + STAYS)
    tab.click("button")
    assert site.wait_for_numbers(2) == [1, 2]
    assert numbers_once_settled(site, tab) == [1, 2]
