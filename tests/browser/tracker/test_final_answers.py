"""Only the blueprint can refuse an event for good. After any other answer the event is kept."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tcs_events.payloads import PAYLOAD_SCHEMAS
from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import (
    pass_time,
    pass_time_until,
    queued,
    track,
    warnings,
)
from tests.browser.tracker.browsers import CLOCK
from tests.browser.tracker.faults import Answer
from tests.browser.tracker.pages import TAG, page
from tests.browser.tracker.site import Site

LOGIN = {"Location": "/login"}
ANSWERS_OF_OTHERS = [
    *(Answer(status, LOGIN) for status in (301, 302, 303, 307, 308)),
    *(Answer(status) for status in (400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410)),
    *(Answer(status) for status in (411, 413, 414, 415, 418, 421, 422, 423, 425, 426, 428)),
    *(Answer(status) for status in (429, 431, 451, 499, 500, 502, 504, 507, 511, 520, 530)),
    Answer(200, {"Content-Type": "text/html"}, b"<h1>Please log in</h1>"),
    Answer(202, {"Content-Type": "application/json"}, b'{"status": "accepted"}'),
    Answer(204),
]
FINAL = [400, 413, 415, 422]
REASON = "Must be one of: ours."
A_MINUTE = 60


def test_no_answer_of_anything_in_front_of_the_blueprint_costs_an_event(
    site: Site, tab: Tab
) -> None:
    """Each comes once, in place of the blueprint; then the way is free."""
    site.before = CLOCK
    site.serve("/login", "<h1>Please log in</h1>")
    tab.open(site.url)
    lost = []
    for number, answer in enumerate(ANSWERS_OF_OTHERS):
        site.faults.answer(answer, times=1)
        track(tab, number)
        assert tab.wait_for("flying === 0")
        pass_time_until(tab, site, number + 1, seconds=A_MINUTE)
        if number not in site.numbers():
            lost.append(answer.status)
            track(tab, number)  # so that the count of rows goes on
            pass_time_until(tab, site, number + 1, seconds=A_MINUTE)
    assert lost == []
    assert queued(tab) == []
    assert site.numbers() == list(range(len(ANSWERS_OF_OTHERS)))


@pytest.mark.parametrize("status", [401, 500])
def test_the_link_of_a_session_to_a_person_is_kept_as_well(
    site: Site, tab: Tab, status: int
) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.answer(Answer(status), times=1)
    tab.run("tcsEvents.identify('ada@example.com')")
    assert site.wait_for_posts(1)[0].path == "/api/events/identify"
    assert tab.wait_for("flying === 0")
    pass_time(tab, A_MINUTE)
    assert [post.status for post in site.faults.posts if post.path.endswith("identify")] == [
        status,
        202,
    ]


@pytest.mark.parametrize("status", FINAL)
def test_a_refusal_of_the_blueprint_drops_the_event_and_says_why(
    site: Site, tab: Tab, status: int
) -> None:
    site.before = CLOCK
    tab.open(site.url)
    body = json.dumps({"errors": {"event_type": [REASON]}}).encode()
    headers = {"X-TCS-Events": "1", "Content-Type": "application/json"}
    site.faults.answer(Answer(status, headers, body), times=1)
    track(tab, 1)
    assert tab.wait_for("flying === 0")
    pass_time(tab, A_MINUTE)
    assert queued(tab) == []
    assert len(site.faults.posts) == 1
    assert site.events() == []
    [warning] = warnings(tab)
    assert "card_click" in warning
    assert REASON in warning or str(status) in warning


def test_a_type_that_is_not_allowed_is_named_in_the_console(site: Site, tab: Tab) -> None:
    """The real refusal, of a page on another origin: the header must be readable there."""
    button = '<button data-track-event="sign_upp">Sign up</button>'
    site.serve("/", page(head=TAG.replace('src="', f'src="{site.url}'), body=button))
    for origin in (site.url, site.elsewhere):
        tab.open(origin)
        tab.click("button")
        assert tab.wait_for("said.some(([kind]) => kind === 'warn')")
        [warning] = warnings(tab)
        assert "sign_upp" in warning
        assert tab.wait_for("flying === 0")
    assert site.events() == []
    assert len(site.faults.posts) == 2


def test_a_field_that_is_not_as_declared_is_named_in_the_console_with_the_reason(
    start_site: Callable[..., Site], sqlite_url: str, tab: Tab
) -> None:
    site = start_site(sqlite_url, TCS_EVENTS_EVENT_TYPES=PAYLOAD_SCHEMAS)
    tab.open(site.url)
    tab.run("tcsEvents.trackEvent('card_click', {expert_id: 'ada', context: 'footer'})")
    assert tab.wait_for("said.some(([kind]) => kind === 'warn')")
    [warning] = warnings(tab)
    assert warning.startswith("tcs_events: refused: card_click ")
    errors = json.loads(warning.removeprefix("tcs_events: refused: card_click "))
    assert errors == {"payload": {"context": ["Must be one of: grid, sage_panel."]}}
    assert site.events() == []
