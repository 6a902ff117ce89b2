"""The dashboard has the pages that a host's event types can fill."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tcs_events import EventType
from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import PAGES
from tcs_events.reports import Reports
from tcs_events.roles import Click, FilterChange, Search
from tests.conftest import MakeHost
from tests.support import post

TOPS = {"items", "queries", "filters"}
ALWAYS = {"overview", "live", "activity", "explore", "funnel", "paths", "retention", "timeline"}
SEARCH = EventType("search", role=Search(query="text"))
CLICK = EventType("opened", role=Click(item="id"))
FILTER = EventType("narrowed", role=FilterChange(filter="name", value="to"))


def dashboard(make_host: MakeHost, url: str, types: list[Any]) -> FlaskClient:
    app = make_host(url, TCS_EVENTS_EVENT_TYPES=types)
    app.register_blueprint(create_dashboard(lambda: True))
    first = types[0] if isinstance(types[0], str) else types[0].name
    assert post(app, event_type=first, payload={}).status_code == 202
    return app.test_client()


@pytest.mark.parametrize(
    ("types", "more", "tops"),
    [
        (["sign_up"], set(), set()),
        (["sign_up", CLICK], {"top", "exposure"}, {"items"}),
        ([SEARCH], {"top", "exposure", "gaps"}, {"queries"}),
        ([FILTER], {"top", "dead_ends"}, {"filters"}),
        ([SEARCH, CLICK, FILTER], {"top", "exposure", "gaps", "dead_ends"}, TOPS),
        (
            ["card_click", "sage_query", "filter_change"],
            {"top", "exposure", "gaps", "dead_ends"},
            {"experts", "queries", "filters"},
        ),
    ],
)
def test_a_page_needs_an_event_type_with_its_role(
    make_host: MakeHost, sqlite_url: str, types: list[Any], more: set[str], tops: set[str]
) -> None:
    client = dashboard(make_host, sqlite_url, types)
    home = client.get("/insights/").get_data(as_text=True)
    nav = home[home.index("<nav") : home.index("</nav>")]
    for page in PAGES.values():
        is_shown = page.name in ALWAYS | more
        assert (f">{page.link}</a>" in nav) == is_shown, page.name
        assert client.get(f"/insights{page.path}").status_code == (200 if is_shown else 404)
        answer = client.get(f"/insights/api/{page.name}.json")
        assert answer.status_code == (200 if is_shown else 404)
        for table in page.tables if page.name != "top" else ():
            assert client.get(f"/insights/csv/{table.name}.csv").status_code == answer.status_code
    if tops:
        top = client.get("/insights/top").text
        assert set(re.findall(r'aria-labelledby="t-(\w+)"', top)) == tops
        assert client.get("/insights/api/top.json").json["answer"].keys() == tops
        for name in TOPS:
            is_shown = name in tops or (name == "items" and "experts" in tops)
            for url in (f"/insights/csv/{name}.csv", f"/insights/tables/{name}"):
                assert client.get(url).status_code == (200 if is_shown else 404)
    links = set(re.findall(r'href="/insights/([\w-]*)', home))
    hidden = {page.path.strip("/") for page in PAGES.values() if page.name not in ALWAYS | more}
    assert not links & hidden


@pytest.mark.parametrize(
    ("types", "findings"),
    [
        (["sign_up"], set()),
        ([CLICK], {"exposure", "items"}),
        ([SEARCH], {"gaps", "exposure", "queries"}),
        ([FILTER], {"dead", "combinations"}),
        (["card_click"], {"exposure", "experts"}),
    ],
)
def test_the_overview_asks_nothing_that_no_event_type_can_answer(
    make_host: MakeHost,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    types: list[Any],
    findings: set[str],
) -> None:
    client = dashboard(make_host, sqlite_url, types)
    page = client.get("/insights/").text
    assert set(re.findall(r'aria-labelledby="f-(\w+)"', page)) == findings
    keys = {
        "dead": "dead_end_values",
        "combinations": "dead_end_combinations",
        "exposure": "rungs",
    }
    answer = client.get("/insights/api/overview.json").json["answer"]
    asked = {"gaps", "rungs", "items", "experts", "queries", *keys.values()} & answer.keys()
    assert asked == {keys.get(name, name) for name in findings}
    assert ("coverage" in answer) == ("gini" in answer) == ("exposure" in findings)

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("this was asked, and nobody sees the answer")

    if "exposure" not in findings:
        monkeypatch.setattr(Reports, "exposure", refuse)
        assert client.get("/insights/").status_code == 200


@pytest.mark.parametrize(
    ("role", "is_shown"), [(Search(query="text"), False), (Search("text", item_ids="ids"), True)]
)
def test_the_ladder_has_the_rungs_that_the_events_tell_of(
    make_host: MakeHost, sqlite_url: str, role: Search, is_shown: bool
) -> None:
    client = dashboard(make_host, sqlite_url, [CLICK, EventType("search", role=role)])
    assert post(client, event_type="opened", payload={"id": "7"}).status_code == 202
    ladder = client.get("/insights/exposure").text
    assert "Never clicked" in ladder
    assert ("Never returned" in ladder) == ("Never among the first" in ladder) == is_shown
    assert ("Never returned" in client.get("/insights/").text) == is_shown


@pytest.mark.parametrize(
    ("types", "lede"),
    [
        ([FILTER], "The filters that visitors set."),
        ([CLICK, FILTER], "The items that visitors click, the filters they set."),
        (
            ["card_click", "sage_query", "filter_change"],
            "The experts that visitors click, the queries they ask, the filters they set.",
        ),
    ],
)
def test_a_page_promises_only_the_tables_it_has(
    make_host: MakeHost, sqlite_url: str, types: list[Any], lede: str
) -> None:
    page = dashboard(make_host, sqlite_url, types).get("/insights/top").text
    assert f'<p class="lede">{lede}</p>' in page


def test_the_funnel_begins_with_types_that_exist(make_host: MakeHost, sqlite_url: str) -> None:
    client = dashboard(make_host, sqlite_url, [SEARCH, CLICK])
    page = client.get("/insights/funnel").get_data(as_text=True)
    assert 'value="search"' in page
    assert 'value="opened"' in page
    assert "sage_query" not in page
