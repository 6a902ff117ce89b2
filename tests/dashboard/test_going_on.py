"""Explore leads on to a funnel, whose lists have what can be chosen."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tcs_events import EventType
from tcs_events.dashboard import create_dashboard
from tests.conftest import MakeHost
from tests.dashboard.visitors import fill, noon_today, visit


@pytest.fixture
def signing_up(make_host: MakeHost, sqlite_url: str) -> FlaskClient:
    """The client of a host on which visitors signed up 40 and 5 days ago, and booked then."""
    types = [EventType("booked", break_down=("room",)), EventType("sign_up", break_down=("plan",))]
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=types)
    app.register_blueprint(create_dashboard(lambda: True))
    events = []
    for number, (days, plan) in enumerate([(40, "free"), (5, "free"), (5, "club")]):
        at = noon_today() - timedelta(days=days)
        events.append(visit(f"visitor-{number}", "sign_up", at, 10 * number + 1, plan=plan))
        at += timedelta(hours=1)
        events.append(visit(f"visitor-{number}", "booked", at, 10 * number + 2, room="lake"))
    fill(app, events)
    return app.test_client()


def test_explore_leads_to_a_funnel_of_the_same_events(signing_up: FlaskClient) -> None:
    query = "type=sign_up&by=plan&where=plan=free&who=new&days=90"
    page = signing_up.get(f"/insights/explore?{query}").text
    [link] = re.findall(r'href="(/insights/funnel[^"]*)">a funnel from sign_up, by plan', page)
    asked = parse_qs(urlsplit(unescape(link)).query)
    assert asked == {
        "days": ["90"], "who": ["new"], "step": ["sign_up[plan=free]"],
        "within": ["30d"], "break_down": ["plan"],
    }  # fmt: skip
    assert "2</b> visitors" in signing_up.get(unescape(link)).text


def test_a_funnel_can_be_broken_down_by_what_the_first_step_has(signing_up: FlaskClient) -> None:
    steps = "step=sign_up&step=booked&within=7d"
    for chosen, first in {"plan": ["plan"], "": ["plan"], "city": ["plan", "city"]}.items():
        page = signing_up.get(f"/insights/funnel?{steps}&break_down={chosen}").text
        groups = re.findall(r'<optgroup label="(\w+)">(.*?)</optgroup>', page)
        names = [(label, re.findall(r"<option[^>]*>(\w+)", options)) for label, options in groups]
        assert names == [("sign_up", first), ("booked", ["room"])]
        selected = "".join(
            re.findall(r"<option selected>(\w+)</option>", "".join(dict(groups).values()))
        )
        assert selected == chosen


@pytest.mark.parametrize(
    ("query", "is_said"),
    [("days=90&within=30d", True), ("days=90&within=1d", True), ("days=90", False)],
)
def test_it_says_that_the_latest_may_still_go_on(
    signing_up: FlaskClient, query: str, is_said: bool
) -> None:
    page = signing_up.get(f"/insights/funnel?step=sign_up&step=booked&{query}").text
    assert ("they may still go on" in page) == is_said


def test_a_time_that_is_over_is_not_said_to_go_on(signing_up: FlaskClient) -> None:
    last = (noon_today() - timedelta(days=20)).date()
    for within, is_said in {"7d": False, "30d": True}.items():
        page = signing_up.get(
            f"/insights/funnel?step=sign_up&step=booked&to={last}&within={within}"
        ).text
        assert ("they may still go on" in page) == is_said
