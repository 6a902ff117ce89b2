"""Filters are in the URL and stay from page to page. A page says which it cannot follow."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from tcs_events.counts.conditions import OPERATORS, Condition
from tcs_events.dashboard.filters import Filters, read_filters
from tcs_events.dashboard.pages import PAGES
from tcs_events.dashboard.parameters import BadParameter
from tests.dashboard.addresses import page_paths

ASKED = [("type", "card_click"), ("where", "context=grid"), ("where", "rate>=10"), ("who", "new")]


def queries(html: str, path: str) -> list[list[tuple[str, str]]]:
    """Return the query strings of all links to a path."""
    links = [urlsplit(unescape(link)) for link in re.findall(r'href="(/[^"]*)"', html)]
    return [parse_qsl(link.query) for link in links if link.path == path]


@pytest.mark.parametrize("path", page_paths())
def test_every_page_links_to_every_other_with_the_filters(empty: FlaskClient, path: str) -> None:
    answer = empty.get(path, query_string=MultiDict([*ASKED, ("days", "7")]))
    assert answer.status_code == 200
    assert "This page ignores" not in answer.text
    for other in PAGES.values():
        first = queries(answer.text, f"/insights{other.path}")[0]
        assert sorted(first) == sorted([*ASKED, ("days", "7")])


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_says_which_filters_do_not_apply(empty: FlaskClient, page: object) -> None:
    path, follows = page.path, page.filters  # type: ignore[attr-defined]
    text = unescape(
        re.sub("<[^>]*>", "", empty.get(f"/insights{path}?who=new&type=card_click").text)
    )
    beyond = [
        words
        for kind, words in (("type", "type is card_click"), ("who", "new visitors"))
        if kind not in follows
    ]
    for words in beyond:
        assert re.search(f"he filters? .*{words}.* not apply here", text)
    assert ("not apply here" in text) == bool(beyond)
    assert ("This page counts all events" in text) == (len(beyond) == 2)


def test_a_filter_can_be_taken_away(empty: FlaskClient) -> None:
    html = empty.get("/insights/activity", query_string=MultiDict(ASKED)).text
    chips = re.findall(r'class="chip[^"]*"><span>([^<]*)</span><a href="([^"]*)"', html)
    assert [unescape(words) for words, _ in chips] == [
        "type is card_click",
        "context is grid",
        "rate is at least 10",
        "new visitors",
    ]
    for place, (_, link) in enumerate(chips):
        left = [pair for pair in parse_qsl(urlsplit(unescape(link)).query) if pair[0] != "days"]
        assert left == ASKED[:place] + ASKED[place + 1 :]


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if "where" in page.filters])
def test_a_condition_without_a_type_is_about_the_type_of_the_page(
    filled: FlaskClient, name: str
) -> None:
    """It takes the type along to other pages and into files, so all count the same events."""
    path, asked = f"/insights{PAGES[name].path}", [("days", "7"), ("where", "result_count>=0")]
    html = filled.get(path, query_string=MultiDict(asked)).text
    words = unescape(re.sub("<[^>]*>", "", html))
    said = re.search(r"This filter is about the type that this page shows: (\w+)\.", words)
    assert said is not None
    named = [*asked, ("type", said[1])]
    for other in PAGES.values():
        assert sorted(queries(html, f"/insights{other.path}")[0]) == sorted(named)
    keeps_type = "type" in PAGES[name].filters  # a funnel has the type in its first step
    for query in queries(html, f"/insights/csv/{name}.csv"):
        assert set(named if keeps_type else asked) <= set(query)
    json = f"/insights/api/{name}.json"
    alone, together = (
        filled.get(json, query_string=MultiDict(query)).get_json()["answer"]
        for query in (asked, named if keeps_type else asked)
    )
    assert alone == together
    assert "names no event type" not in filled.get(path, query_string=MultiDict(named)).text
    assert "names no event type" not in filled.get(path, query_string=MultiDict(asked[:1])).text
    # Without the condition, there is nothing that needs a type.
    assert [("days", "7")] in queries(html, path)


def test_activity_follows_the_type(filled: FlaskClient) -> None:
    """What is left is what there was of this type before, on the page and in its files."""
    every = filled.get("/insights/api/activity.json?days=30").json
    clicks = filled.get("/insights/api/activity.json?days=30&type=card_click").json
    assert every is not None
    assert clicks is not None
    for name in ("activity", "totals"):
        of_type = [row for row in every["answer"][name] if row["event_type"] == "card_click"]
        assert clicks["answer"][name] == of_type
        assert of_type
    html = filled.get("/insights/activity?days=30&type=card_click").text
    assert "card_click by day" in html
    assert "sage_query by day" not in html
    (csv,) = queries(html, "/insights/csv/totals.csv")
    assert ("type", "card_click") in csv
    rows = filled.get("/insights/csv/totals.csv?days=30&type=card_click").text
    assert len(rows.splitlines()) == 2


def test_links_to_files_leave_out_what_files_refuse(filled: FlaskClient) -> None:
    html = filled.get("/insights/top", query_string=MultiDict([*ASKED, ("days", "7")])).text
    links = re.findall(r'href="(/insights/(?:csv|api)/[^"]*)"', html)
    assert len(links) == 4
    for link in links:
        assert filled.get(unescape(link)).status_code == 200


def test_bad_filters_are_named(empty: FlaskClient) -> None:
    for query, part in {
        "who=me": "new, returning, known",
        "where=plan": "“plan” is not a filter",
        "where=a=1,b=2": "“a=1,b=2” is not a filter",
        "where_value=pro": "Choose the property",
        "&".join(f"where=a={number}" for number in range(9)): "at most 8 times",
    }.items():
        answer = empty.get(f"/insights/activity?{query}")
        assert answer.status_code == 400
        assert part in unescape(answer.text)


@settings(max_examples=30, deadline=None)
@given(
    st.from_regex(r"[a-z_.]{1,9}", fullmatch=True),
    st.sampled_from([each for each in OPERATORS if each != "in"]),
    st.one_of(
        st.integers(),
        st.booleans(),
        st.text(st.characters(codec="utf-8"), max_size=9),
        st.lists(st.text("ab,]", max_size=3), max_size=2),
    ),
)
def test_a_condition_is_read_back_from_its_url(field: str, operator: str, value: object) -> None:
    one_of = Condition(field, "in", [value, "x"])
    filters = Filters("a", (Condition(field, operator, value), one_of), "known")
    assert read_filters(MultiDict(filters.args)) == filters


@pytest.mark.parametrize(
    ("typed", "read"),
    [("pro", "pro"), ("7", 7), ("a, b", "a, b"), ("x]", "x]"), ("= 3", "= 3"), ("", "")],
)
def test_what_is_typed_into_the_form_becomes_a_condition(typed: str, read: object) -> None:
    args = MultiDict({"where_property": "plan", "where_is": "!=", "where_value": typed})
    assert read_filters(args).where == (Condition("plan", "!=", read),)
    with pytest.raises(BadParameter):
        read_filters(MultiDict({"where_property": "a=b", "where_is": "", "where_value": "1"}))
