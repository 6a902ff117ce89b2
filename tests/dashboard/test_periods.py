"""The periods of the pages: those with a name, the one before, the one after."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tcs_events import reports
from tcs_events.dashboard.asked import PERIODS


def period_of(client: FlaskClient, query: str) -> tuple[date, date]:
    """Return the first and last day that an address asks about."""
    said = client.get(f"/insights/api/activity.json?{query}").json
    assert said is not None
    return tuple(map(date.fromisoformat, said["period"].values()))  # type: ignore[return-value]


def arrows(client: FlaskClient, query: str) -> dict[str, str]:
    """Return the query strings that the arrows of a page lead to, by `prev` and `next`."""
    html = client.get(f"/insights/top?{query}").text
    found = re.findall(r'rel="(prev|next)" href="([^"]*)"', html)
    return {rel: urlsplit(unescape(link)).query for rel, link in found}


@pytest.fixture
def today(filled: FlaskClient) -> date:
    with filled.application.app_context():
        return reports.last_days(1).last


def test_periods_with_a_name(filled: FlaskClient, today: date) -> None:
    with filled.application.app_context():
        first = reports.first_day()
    days = {
        "today": (today, today),
        "yesterday": (today - timedelta(days=1),) * 2,
        "7 days": (today - timedelta(days=6), today),
        "30 days": (today - timedelta(days=29), today),
        "90 days": (today - timedelta(days=89), today),
        "12 months": (today - timedelta(days=364), today),
        "all": (first, today),
    }
    html = filled.get("/insights/top?period=all").text
    spans = re.search('class="spans">(.*?)</ul>', html, re.S)
    assert spans
    links = dict(re.findall(r'href="([^"]*)"[^>]*>([^<]*)</a>', spans[1]))
    assert list(links.values()) == list(days) == list(PERIODS)
    for link, name in links.items():
        assert period_of(filled, urlsplit(unescape(link)).query) == days[name]
    assert re.findall('aria-current="true">([^<]*)', spans[1]) == ["all"]


def test_all_without_events_is_the_default(empty: FlaskClient) -> None:
    assert period_of(empty, "period=all") == period_of(empty, "")


def test_arrows_step_one_period(filled: FlaskClient, today: date) -> None:
    weeks = [period_of(filled, "days=7")]
    query = "days=7"
    for _ in range(3):
        query = arrows(filled, query)["prev"]
        weeks.append(period_of(filled, query))
        assert weeks[-1][1] == weeks[-2][0] - timedelta(days=1)
        assert (weeks[-1][1] - weeks[-1][0]).days == 6
    for week in reversed(weeks[:-1]):
        query = arrows(filled, query)["next"]
        assert period_of(filled, query) == week
    assert parse_qs(query) == {"days": ["7"]}
    assert "next" not in arrows(filled, query)
    assert arrows(filled, "period=all") == {}


def test_the_period_after_ends_today_at_the_latest(filled: FlaskClient, today: date) -> None:
    last = today - timedelta(days=2)
    query = arrows(filled, f"from={last - timedelta(days=6)}&to={last}")["next"]
    assert period_of(filled, query) == (today - timedelta(days=6), today)


def test_a_long_period_is_by_week_unless_days_are_asked_for(filled: FlaskClient) -> None:
    def unit(query: str) -> object:
        answer = filled.get(f"/insights/api/activity.json?{query}").json
        assert answer is not None
        return answer["answer"]["unit"]

    periods = ("days=1", "days=120", "days=121", "days=365&unit=day", "days=7&unit=week")
    assert [unit(query) for query in periods] == ["hour", "day", "week", "day", "week"]
    assert filled.get("/insights/?days=121").text.count("week from") > 1
