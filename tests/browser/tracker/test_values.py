"""Whatever a page passes: the event is kept with what can be kept of it, and nothing throws."""

from __future__ import annotations

import pytest

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import numbers_once_settled, warnings
from tests.browser.tracker.browsers import CLOCK
from tests.browser.tracker.site import Site

CYCLE = "const cycle = {number: 1}; cycle.self = cycle; return cycle;"
DEEP_CYCLE = "const list = [1]; list.push({list}); return {number: 1, list};"
GETTER = "return {number: 1, get bad() { throw new Error('no'); }};"
TO_JSON = "return {number: 1, bad: {toJSON() { throw new Error('no'); }}};"
UNREADABLE = {
    "a BigInt": "return {number: 1, big: 10n};",
    "a BigInt in a list": "return {number: 1, list: [{big: 10n}]};",
    "a cycle": CYCLE,
    "a cycle through a list": DEEP_CYCLE,
    "a getter that throws": GETTER,
    "a toJSON that throws": TO_JSON,
}
"""What JSON.stringify throws at."""
ODD = {
    "half an emoji": "return {number: 1, text: 'a\\ud83db'};",
    "half an emoji in a name": "return {number: 1, 'a\\ud83d': 1};",
    "the other half": "return {number: 1, text: '\\ude00'};",
    "a NUL": "return {number: 1, text: 'a\\u0000b'};",
    "2^60": "return {number: 1, large: 2 ** 60};",
    "2^53": "return {number: 1, large: 2 ** 53};",
    "1e308": "return {number: 1, large: 1e308};",
    "NaN": "return {number: 1, nan: NaN, endless: Infinity};",
    "minus zero": "return {number: 1, zero: -0};",
    "functions and symbols": "return {number: 1, a: undefined, b() {}, c: Symbol('c')};",
    "a map": "return {number: 1, map: new Map([[1, 2]])};",
    "a date": "return {number: 1, at: new Date(0)};",
    "an element": "return {number: 1, element: document.body};",
    "a deep one": "let at = 1; for (let i = 0; i < 30; i++) at = {at}; return {number: 1, at};",
}
NO_PAYLOAD = ["undefined", "null", "[1]", "'text'", "7", "10n", "() => 1"]
EMAILS = ["''", "'   '", "'not an address'", "'a@b@c'", "null", "undefined", "7", "{}", "10n"]


def track_value(tab: Tab, making: str) -> None:
    tab.run(f"tcsEvents.trackEvent('card_click', (() => {{ {making} }})())")


@pytest.mark.parametrize("making", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_json_is_left_out_and_the_console_says_so(
    site: Site, tab: Tab, making: str
) -> None:
    tab.open(site.url)
    track_value(tab, making)
    [event] = site.wait_for_events(1)
    assert event["event_type"] == "card_click"
    assert "card_click" in " ".join(warnings(tab))


@pytest.mark.parametrize("name", ["a BigInt", "a cycle", "a getter that throws"])
def test_the_rest_of_such_a_payload_is_kept(site: Site, tab: Tab, name: str) -> None:
    tab.open(site.url)
    track_value(tab, UNREADABLE[name])
    [event] = site.wait_for_events(1)
    assert event["payload"]["number"] == 1


def test_an_odd_value_costs_no_event(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    for number, making in enumerate(ODD.values()):
        track_value(tab, making.replace("number: 1", f"number: {number}"))
    stored = numbers_once_settled(site, tab)
    assert [name for number, name in enumerate(ODD) if number not in stored] == []
    assert len(stored) == len(ODD)


def test_a_payload_that_is_no_object_costs_no_event_and_no_error(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    for payload in NO_PAYLOAD:
        tab.run(f"tcsEvents.trackEvent('card_click', {payload})")
    assert len(site.wait_for_events(len(NO_PAYLOAD))) == len(NO_PAYLOAD)


def test_an_address_that_is_none_costs_no_event(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    for number, email in enumerate(EMAILS):
        tab.run(f"tcsEvents.configure({{email: {email}}})")
        tab.run("tcsEvents.trackEvent('card_click', {number: arguments[0]})", number)
    stored = numbers_once_settled(site, tab)
    assert [email for number, email in enumerate(EMAILS) if number not in stored] == []
    assert len(stored) == len(EMAILS)
    assert {event["email"] for event in site.events()} == {None}


def test_arguments_of_the_wrong_kind_throw_nothing(site: Site, tab: Tab) -> None:
    """A page written by hand has no types. What is no event is refused, and others are not."""
    site.before = CLOCK
    tab.open(site.url)
    for call in (
        "trackEvent()",
        "trackEvent(null, null)",
        "trackEvent({}, [])",
        "trackEvent(10n, 10n)",
        "trackEvent(Symbol('card_click'), {})",
        "identify()",
        "identify(null)",
        "identify({})",
        "configure()",
        "configure(null)",
        "configure({endpoint: null})",
        "configure({endpoint: undefined, email: undefined, consent: undefined})",
        "configure({endpoint: '/api/events'})",
        "reset(1)",
        "sessionId(1)",
    ):
        tab.run(f"tcsEvents.{call}")
    tab.run("tcsEvents.trackEvent('card_click', {number: 1})")
    assert numbers_once_settled(site, tab)[-1:] == [1]


def test_attributes_that_are_no_json_cost_no_click(site: Site, tab: Tab) -> None:
    tab.open(site.url)
    for payload in ("{number: 1}", "", "null", "[1]", "7"):
        tab.run("document.querySelector('button').dataset.trackPayload = arguments[0]", payload)
        tab.click("button")
    assert len(site.wait_for_events(5)) == 5
