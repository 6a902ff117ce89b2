"""The page that explores: each value leads to the events that have it, and an estimate says so."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from tcs_events import EventType
from tcs_events.dashboard import blueprint, create_dashboard
from tcs_events.reports import sampling
from tests.conftest import MakeHost
from tests.dashboard.visitors import fill, visit

TYPES = [EventType("booking_done", break_down=("plan",), add_up=("price",)), "search"]
ODD: list[Any] = [
    "pro", "a, b", '"quoted"', "[1]", "", None, 7, "7", True, ["x"], {"a": 1}, "null", "\x1b",
]  # fmt: skip


@pytest.fixture
def client(make_host: MakeHost, sqlite_url: str) -> FlaskClient:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    app.register_blueprint(create_dashboard(lambda: True))
    now = datetime.now(UTC)
    events = [
        visit(f"visitor-{number}", "booking_done", now - timedelta(days=number % 9), number,
              plan=ODD[number % len(ODD)], price=number / 4, room={"city": "Rome"})
        for number in range(1, 66)
    ]  # fmt: skip
    fill(app, events)
    return app.test_client()


def explored(client: FlaskClient, query: str) -> Any:
    answer = client.get(f"/insights/api/explore.json?{query}")
    assert answer.status_code == 200
    assert answer.json is not None
    return answer.json["answer"]


def links(page: str) -> list[str]:
    body = page.split('id="t-explore"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [html.unescape(href) for href in re.findall(r'<a class="text" href="([^"]*)"', body)]


def test_it_opens_on_a_type_and_a_property(client: FlaskClient) -> None:
    answer = explored(client, "")
    asked = (answer["event_type"], answer["by"], answer["measure"], answer["interval"])
    assert asked == ("booking_done", "plan", "visitors", "day")
    page = client.get("/insights/explore").text
    for option in ("plan", "price", "room.city", "sum(price)", "median(price)"):
        assert f">{option}</option>" in page
    assert "≈" not in page


def test_every_row_leads_to_the_events_with_its_value(client: FlaskClient) -> None:
    rows_by_value = {repr(row["value"]): row for row in explored(client, "by=plan")["explore"]}
    assert len(rows_by_value) == len(ODD)
    followed = links(client.get("/insights/explore?by=plan").text)
    assert len(followed) == len(ODD)
    found = []
    for link in followed:
        answer = explored(client, link.partition("?")[2])
        [row] = answer["explore"]
        assert row["events"] == rows_by_value[repr(row["value"])]["events"]
        assert answer["total"]["number"] == row["number"]
        found.append(repr(row["value"]))
        assert not links(client.get(link).text)  # it cannot be narrowed down further
    assert sorted(found) == sorted(rows_by_value)


def test_filters_measures_and_intervals_are_followed(client: FlaskClient) -> None:
    query = "by=room.city&measure=sum(price)&interval=week&where=plan%3Dpro&where=price>=2"
    answer = explored(client, query)
    prices = [number / 4 for number in range(1, 66) if ODD[number % 13] == "pro" and number >= 8]
    assert [(row["value"], row["number"]) for row in answer["explore"]] == [("Rome", sum(prices))]
    assert sum(answer["total"]["series"]) == sum(prices)
    page = client.get(f"/insights/explore?{query}").text
    assert "<b>" not in page.split('id="t-explore"')[1]
    assert f"Sum(price) of booking_done: {sum(prices):,.2f}".replace(".00", "") in page


def test_an_estimate_is_marked_in_words(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "EXACT_SHARE", -1)
    page = client.get("/insights/explore?by=room.city").text
    assert "These are estimates from 1 in 2 visitors" in page
    [number] = re.findall(r"≈ </span>(\d+) <small>± [\d.]+</small></h2>", page)
    assert 33 < int(number) < 97
    assert explored(client, "by=room.city")["is_estimate"] is True


def test_a_type_without_events_says_so(client: FlaskClient) -> None:
    page = client.get("/insights/explore?type=search").text
    assert "no search event was stored in this period" in page
    assert "No event of type search is stored yet." in page


@pytest.mark.parametrize(
    "where", [['plan="pro"'], ["plan!=pro"], ["plan=null"], ["price>=4", 'plan in ["pro", 7]'],
              ["room.city=Rome"], ["price<3"]],
)  # fmt: skip
def test_a_filter_that_is_kept_means_the_same_events_on_every_page(
    client: FlaskClient, where: list[str]
) -> None:
    query = {"type": "booking_done", "where": where, "measure": "visits", "by": ""}
    visits = client.get("/insights/api/explore.json", query_string=query).json["answer"]["total"]  # type: ignore[index]
    kept = {"type": "booking_done", "where": where}
    paths = client.get("/insights/api/paths.json", query_string=kept).json["answer"]  # type: ignore[index]
    assert paths["visits"] == visits["number"] > 0
    # Each of these visitors has one visit, so it is the first.
    kept |= {"unit": "day"}
    cohorts = client.get("/insights/api/retention.json", query_string=kept).json["answer"]  # type: ignore[index]
    assert sum(cohort["size"] for cohort in cohorts["retention"]) == visits["number"]


@pytest.mark.parametrize("page", ["paths", "retention"])
def test_a_condition_without_a_type_is_about_the_type_that_paths_begin_with(
    client: FlaskClient, page: str
) -> None:
    answer = client.get(f"/insights/{page}?where=plan%3Dpro")
    assert answer.status_code == 200
    assert "plan is pro" in answer.text


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("value", [float("nan"), deep(400)], ids=["NaN", "deep"])
@pytest.mark.parametrize(
    "page",
    ["explore?", "explore?by=odd&", "explore?where=odd=1&", "paths?where=odd=1&",
     "funnel?step=booking_done[odd=1]&within=7d&", "retention?where=odd=1&"],
)  # fmt: skip
def test_what_only_a_hosts_own_code_can_store_breaks_no_page(
    client: FlaskClient, page: str, value: object
) -> None:
    # The host may write with another JSON library, which knows NaN and any depth.
    odd = json.dumps({"odd": value})
    with client.application.app_context():
        session = client.application.extensions["sqlalchemy"].session
        session.execute(
            text("UPDATE user_events SET payload = :odd WHERE id % 7 = 0"), {"odd": odd}
        )
        session.commit()
    assert client.get(f"/insights/{page}type=booking_done").status_code == 200


def test_only_the_rows_that_are_shown_have_a_series(client: FlaskClient) -> None:
    answer = explored(client, "by=price&interval=day&limit=3&measure=events")
    assert len(answer["explore"]) == 3
    assert all(len(row["series"]) == 30 for row in [*answer["explore"], answer["other"]])
    assert sum(answer["other"]["series"]) == answer["other"]["number"] == 62


def test_a_bar_and_a_value_lead_to_the_same_type_and_property(client: FlaskClient) -> None:
    page = client.get("/insights/explore").text
    addresses = re.findall(r'href="(/insights/explore[?][^"]*)"', page)
    led = [parse_qs(urlsplit(html.unescape(address)).query) for address in addresses]
    values = [query for query in led if "where" in query]
    days = [query for query in led if "from" in query and query["from"] == query.get("to")]
    for query in (*values, *days):
        assert (query["type"], query["by"]) == (["booking_done"], ["plan"])
    assert len(values) > 3
    assert len(days) >= 9


def test_many_events_are_an_estimate_with_a_link_to_count_exactly(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = ["explore?type=booking_done&by=plan", "paths?type=booking_done",
             "retention?type=booking_done"]  # fmt: skip
    for page in pages:
        assert "exact=yes" not in client.get(f"/insights/{page}").text
    monkeypatch.setattr(blueprint, "PAGE_EVENTS", 10)
    for page in pages:
        text = html.unescape(client.get(f"/insights/{page}").text)
        assert "These are estimates from 1 in" in text
        (link,) = re.findall(r'href="([^"]*exact=yes[^"]*)"', text)
        exact = client.get(link).text
        assert "estimates from" not in exact
        assert "Count exactly" not in exact
        name, parameters = page.split("?")
        answer = client.get(f"/insights/api/{name}.json?{parameters}").json
        assert answer["answer"]["is_estimate"] is True
        answer = client.get(f"/insights/api/{name}.json?{parameters}&exact=yes").json
        assert answer["answer"]["is_estimate"] is False
