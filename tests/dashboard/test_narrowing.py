"""A row of a ranking leads to Explore, with the visits that the row counts."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tcs_events import EventType
from tcs_events.dashboard import create_dashboard
from tcs_events.roles import Click, FilterChange, Search
from tests.conftest import MakeHost
from tests.dashboard.visitors import fill, noon_today, visit


def links(page: str, table: str) -> dict[str, str]:
    """Return where the rows of a table lead, by their text."""
    part = page.split(f'id="t-{table}"')[1].split("<tbody>")[1].split("</tbody>")[0]
    found = re.findall(r'<a href="([^"]*)">\s*<span class="[^"]*"[^>]*>(.*?)</span>\s*</a>', part)
    return {unescape(text): unescape(link) for link, text in found}


def visits_of(client: FlaskClient, link: str) -> int:
    """Return how many visits Explore counts where a link leads."""
    path, _, query = link.partition("?")
    assert path == "/insights/explore"
    answer = client.get(f"/insights/api/explore.json?{query}")
    assert answer.status_code == 200, link
    assert answer.json is not None
    assert answer.json["answer"]["measure"] == "visits"
    return int(answer.json["answer"]["total"]["number"])


@pytest.mark.parametrize(
    ("page", "table", "name"),
    [
        ("top", "experts", "expert_id"),
        ("top", "queries", "query"),
        ("gaps", "gaps", "query"),
        ("dead_ends", "dead_end_values", "value"),
    ],
)
def test_a_row_leads_to_the_visits_that_it_counts(
    filled: FlaskClient, page: str, table: str, name: str
) -> None:
    rows = filled.get(f"/insights/api/{page}.json?days=20&limit=15").json["answer"][table]  # type: ignore[index]
    found = links(filled.get(f"/insights/{page.replace('_', '-')}?days=20").text, table)
    assert len(rows) > 1
    for row in rows:
        text = row[name] if isinstance(row[name], str) else ", ".join(row[name])
        assert parse_qs(urlsplit(found[text]).query)["days"] == ["20"]
        assert visits_of(filled, found[text]) == row["visits"], text


@pytest.fixture
def odd(make_host: MakeHost, sqlite_url: str) -> FlaskClient:
    """A host whose visitors write in many ways, and set odd filters."""
    types = [
        EventType("opened", role=Click(item="id")),
        EventType("searched", role=Search(query="text")),
        EventType("narrowed", role=FilterChange("filter", "value", "filters", "left")),
    ]
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=types, TCS_EVENTS_MIN_SESSIONS=1)
    app.register_blueprint(create_dashboard(lambda: True))
    at = noon_today() - timedelta(days=1)
    long = "x" * 300
    payloads: list[tuple[str, dict[str, Any]]] = [
        *(("opened", {"id": number}) for number in (7, "7", 7.0, 'a, "b"', "x]", "ä=1")),
        *(("searched", {"text": text}) for text in ("Moon", "MOON ", "moon", "a, b", '"moon"')),
        *(
            ("narrowed", {"filter": "size", "value": value, "filters": on, "left": 0})
            for value, on in [(1, {"size": 1}), (1, {"size": 1, "to": ""}), (long, {})]
        ),
    ]  # fmt: skip
    fill(
        app,
        [
            visit(f"visitor-{number}", event_type, at, number + 1, **payload)
            for number, (event_type, payload) in enumerate(payloads)
        ],
    )
    return app.test_client()


def test_the_same_in_reports_is_the_same_in_explore(odd: FlaskClient) -> None:
    top = odd.get("/insights/top").text
    items, queries, filters = (links(top, name) for name in ("items", "queries", "filters"))
    assert {text: visits_of(odd, link) for text, link in items.items()} == {
        "7": 3, 'a, "b"': 1, "x]": 1, "ä=1": 1,
    }  # fmt: skip
    assert {text: visits_of(odd, link) for text, link in queries.items()} == {
        "moon": 3, "a, b": 1, '"moon"': 1,
    }  # fmt: skip
    # The counts have only the beginning of the long value, which no condition can name.
    assert {text: visits_of(odd, link) for text, link in filters.items()} == {"1": 2}


def test_a_combination_leads_to_its_changes(odd: FlaskClient) -> None:
    page = odd.get("/insights/dead-ends").text.split('id="t-dead_end_combinations"')[1]
    led = [unescape(link) for link in re.findall(r'href="(/insights/explore[^"]*)"', page)]
    assert [visits_of(odd, link) for link in led] == [2]


def test_filters_are_kept_where_they_are_about_the_same_events(odd: FlaskClient) -> None:
    for asked, kept in {
        "who=new&where=text!=x": ["text!=x", "text=moon"],
        "type=searched&where=text!=x": ["text!=x", "text=moon"],
        "type=opened&where=id=7": ["text=moon"],
        "where=text=moon": ["text=moon"],
    }.items():
        link = links(odd.get(f"/insights/top?{asked}").text, "queries")["moon"]
        query = parse_qs(urlsplit(link).query)
        assert (query["type"], query["where"]) == (["searched"], kept)
        assert query.get("who") == (["new"] if "who" in asked else None)
    eight = "&".join(f"where=a!={number}" for number in range(8))
    assert "moon" not in links(odd.get(f"/insights/top?{eight}").text, "queries")


def test_rows_of_several_types_lead_nowhere(make_host: MakeHost, sqlite_url: str) -> None:
    """Explore shows one type, so it would show fewer visits than the row counts."""
    types = [EventType(name, role=Click(item="id")) for name in ("opened", "liked")]
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=types)
    app.register_blueprint(create_dashboard(lambda: True))
    fill(app, [visit("ada", "liked", noon_today(), 1, id="7")])
    page = app.test_client().get("/insights/top").text
    assert ">7</span>" in page
    assert links(page, "items") == {}


def test_the_overview_leads_to_the_same_places(filled: FlaskClient) -> None:
    page = filled.get("/insights/?days=20").text
    top = links(filled.get("/insights/top?days=20").text, "experts")
    listed = re.findall(r'<a class="text" href="([^"]*)" title="(expert-[0-9]*)">', page)
    assert len(listed) == 5
    assert [unescape(link) for link, _ in listed] == [top[name] for _, name in listed]
    assert "/insights/explore?days=20&amp;type=sage_query" in page
