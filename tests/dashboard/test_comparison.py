"""Numbers are compared with the period before where both are whole, and nowhere else."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient

from tests.dashboard.visitors import EXPERTS, fill, noon_today, visit


@pytest.fixture
def grown(empty: FlaskClient) -> FlaskClient:
    """The client of a host with one visitor on each of 20 days, and three on each of the last 5."""
    today = noon_today()
    events = []
    for back in range(20):
        for visitor in range(3 if back < 5 else 1):
            number = (1 << 100) + 10 * back + visitor
            at = today - timedelta(days=back)
            events.append(visit(f"visitor-{number}", "card_click", at, number, expert_id="ada"))
    fill(empty.application, events)
    return empty


@pytest.fixture
def narrower(empty: FlaskClient) -> FlaskClient:
    """The client of a host whose visitors saw 9 of 60 experts, and then 3 of them."""
    today = noon_today()
    events = [
        visit(f"visitor-{back}", "card_click", at, 100 * back + expert, expert_id=EXPERTS[expert])
        for back in range(10)
        for at in [today - timedelta(days=back)]
        for expert in range(1, 4 if back < 5 else 10)
    ]
    fill(empty.application, events)
    return empty


def chips(client: FlaskClient, query: str, page: str = "") -> list[str]:
    """Return the chips of the headlines, as a screen reader says them, with their titles."""
    html = client.get(f"/insights/{page}?{query}").text
    found = re.findall(
        r'<span class="change (\w+)" title="([^"]*)">(.*?)</span>\s*<span class="before', html, re.S
    )
    spoken = [re.sub(r"<span aria-hidden.*?</span>", "", inner, flags=re.S) for *_, inner in found]
    texts = [" ".join(unescape(re.sub("<[^>]*>", "", text)).split()) for text in spoken]
    return [
        f"{text} ({title.split(', ')[0]})" for text, (_, title, _) in zip(texts, found, strict=True)
    ]


def test_a_chip_says_how_a_number_changed(grown: FlaskClient) -> None:
    assert chips(grown, "days=5")[:2] == ["more than before: +200 % (15 now)"] * 2
    assert chips(grown, "days=10")[0] == "more than before: +100 % (20 now)"
    html = grown.get("/insights/?days=5").text
    assert "15 now, 5 in " in html
    assert '<polyline points="' in html


@pytest.mark.parametrize("query", ["days=1", "days=11", "days=20", "period=all"])
def test_there_is_none_without_a_whole_period_before(grown: FlaskClient, query: str) -> None:
    """Today alone is not over; eleven days before the last eleven are not all there."""
    assert chips(grown, query) == []
    assert "<polyline" not in grown.get(f"/insights/?{query}").text
    assert "<polyline" not in grown.get(f"/insights/activity?{query}").text


def test_a_share_changes_by_points(narrower: FlaskClient) -> None:
    assert chips(narrower, "days=5", "exposure") == [
        "less than before: \N{MINUS SIGN}10 points (5.0 % now)",
        "compared with before: no change (0 % now)",
    ]
    assert "15 % in " in narrower.get("/insights/exposure?days=5").text
    for query in ("days=1", "days=6", "period=all"):
        assert chips(narrower, query, "exposure") == []


def test_activity_draws_the_period_before(grown: FlaskClient) -> None:
    html = grown.get("/insights/activity?days=5").text
    assert html.count("<polyline") == 2  # all types, and the one type
    assert re.search(r"1 in the period before", html)


def test_what_is_not_over_is_marked_in_the_chart(grown: FlaskClient) -> None:
    assert grown.get("/insights/activity?days=5&unit=day").text.count("value growing") == 2
    assert "not over yet" in grown.get("/insights/?days=5").text
    yesterday = grown.get("/insights/?period=yesterday").text
    assert "value growing" not in yesterday
    assert "not over yet" not in yesterday


def test_a_single_day_is_drawn_by_hour(grown: FlaskClient) -> None:
    """One bar would say no more than the headline."""
    yesterday = grown.get("/insights/?period=yesterday").text
    assert "Visitors by hour" in yesterday
    assert yesterday.count('class="slot"') >= 24
    for query, unit in {"days=1": "hour", "days=1&unit=day": "day", "days=2": "day"}.items():
        said = grown.get(f"/insights/api/activity.json?{query}").json
        assert said is not None
        assert said["answer"]["unit"] == unit
