"""The page of the funnel: steps are chosen from lists, and may be days apart."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -e '.[test]'")

import html
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from tcs_events import reports
from tcs_events.counts.conditions import OPERATORS, Condition
from tcs_events.dashboard.step_form import FIELDS, fields_of, typed_steps
from tcs_events.host import registration_of
from tcs_events.reports import Step, sampling
from tests.dashboard.visitors import fill, noon_today, visit
from tests.support import plain

PATH = "/insights/funnel"
FUNNEL = {"step": ["sage_query", "card_click[context=grid]"], "within": "7d", "days": "30"}


def text_of(answer: object) -> str:
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", str(answer))).split())


@pytest.fixture
def client(empty: FlaskClient) -> FlaskClient:
    """Two visitors search, and one of them clicks two days and three hours later."""
    at = noon_today() - timedelta(days=9)
    later = at + timedelta(days=2, hours=2, minutes=30)
    events = [
        visit("one", "sage_query", at, 1, filters={"rate_max": 90}, result_count=3),
        visit("two", "sage_query", at, 2, filters={"rate_max": "90"}, result_count=3),
        visit("one", "card_click", later, 3, expert_id="ada", context="grid"),
    ]
    fill(empty.application, events)
    return empty


def test_the_page_its_json_and_its_files_say_what_the_report_says(client: FlaskClient) -> None:
    query = {**FUNNEL, "per": "person", "break_down": "filters.rate_max"}
    said = client.get("/insights/api/funnel.json", query_string=query).json
    with client.application.app_context():
        steps = [reports.step(text) for text in FUNNEL["step"]]
        found = reports.funnel(reports.last_days(30), steps, "7d", "person", "filters.rate_max")
    assert said is not None
    answer = said["answer"]
    assert answer["funnel_over_days"] == plain(found.steps)
    assert answer["funnel_broken_down"] == plain(found.broken_down)
    assert [answer[name] for name in ("within", "per", "break_down")] == [
        "7d",
        "person",
        "filters.rate_max",
    ]
    assert said["counted_at"] is None  # it is read from the events
    shown = text_of(client.get(PATH, query_string=query).text)
    assert "2 persons" in shown
    assert "1 person · 50 % of the step before (1 did not go on)" in shown
    assert "card_click context is grid" in shown
    assert "half of them within 2 days 3 hours" in shown
    assert "By filters.rate_max" in shown


def test_the_form_changes_the_address_to_one_that_can_be_shared(client: FlaskClient) -> None:
    rows = [
        ("sage_query", "result_count", ">=", "1", "filters.rate_max=90"),
        ("", "", "=", "", ""),
        ("card_click", "context", "in", "grid, a map", ""),
    ]
    sent = MultiDict((field, text) for row in rows for field, text in zip(FIELDS, row, strict=True))
    sent.update({"within": "30d", "per": "visitor", "break_down": "", "days": "7"})
    answer = client.get(PATH, query_string=sent)
    assert answer.status_code == 302
    address = urlsplit(answer.headers["Location"])
    assert address.path == PATH
    assert parse_qs(address.query) == {
        "step": [
            "sage_query[result_count>=1, filters.rate_max=90]",
            'card_click[context in ["grid", "a map"]]',
        ],
        "within": ["30d"],
        "days": ["7"],
    }
    shown = client.get(answer.headers["Location"])
    assert shown.status_code == 200
    assert '<option value=">=" selected>' in html.unescape(shown.text)
    assert 'value="grid, a map"' in shown.text


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text('ab,7[]"= \n\x00\x85\u202e\ud800é', max_size=5),
    lambda values: st.lists(values, max_size=3),
    max_leaves=3,
)
CONDITIONS = st.builds(
    Condition, st.sampled_from(["plan", "room.city"]), st.sampled_from(OPERATORS[:-1]), VALUES
) | st.builds(Condition, st.just("plan"), st.just("in"), st.lists(VALUES, min_size=1, max_size=3))


@example([Step("card_click", [Condition("plan", "=", " ")])])
@example([Step("card_click", [Condition("plan", "=", "a\x1b[31m")])])
@example([Step("card_click", [Condition("plan", "in", ["a\u2028", "b"])])])
@given(st.lists(st.builds(Step, st.just("card_click"), st.lists(CONDITIONS, max_size=3))))
@settings(max_examples=60, deadline=None)
def test_what_the_form_shows_is_what_it_sends(steps: list[Step]) -> None:
    rows = fields_of(steps[:8], {}, {})
    fields = [(row.event_type, row.name, row.operator, row.value, row.more) for row in rows]
    sent = MultiDict(pair for row in fields for pair in zip(FIELDS, row, strict=True))
    assert typed_steps(sent) == [str(step) for step in steps[:8]]


def test_the_lists_have_what_was_seen(client: FlaskClient) -> None:
    shown = client.get(PATH, query_string={"step": "sage_query[filters.rate_max=90]"}).text
    properties = shown.split('<datalist id="properties-1">')[1].split("</datalist>")[0]
    values = shown.split('<datalist id="values-1">')[1].split("</datalist>")[0]
    assert {"filters.rate_max", "result_count"} <= set(re.findall('value="([^"]+)"', properties))
    # What is stored as text is told from the number.
    assert set(re.findall('value="([^"]+)"', values)) == {"90", "&#34;90&#34;"}


def test_a_condition_with_control_characters_goes_through_the_form(client: FlaskClient) -> None:
    """They are written as in JSON, in the address and in the form."""
    address = 'sage_query[query_text="a\\u001b\\u202eb", filters.x="\\n"]'
    answer = client.get(PATH, query_string={"step": address})
    assert answer.status_code == 200
    shown = re.findall(r'name="(step_[a-z]+)" value="([^"]*)"', answer.text)[:3]
    sent = {name: html.unescape(value) for name, value in shown}
    sent |= {"step_type": "sage_query", "step_operator": "="}
    assert sent["step_value"] == '"a\\u001b\\u202eb"'
    again = client.get(PATH, query_string=sent)
    assert again.status_code == 302
    assert parse_qs(urlsplit(again.headers["Location"]).query)["step"] == [address]
    raw = client.get(PATH, query_string={"step_type": "sage_query", "step_value": "a\x1bb"})
    assert raw.status_code == 400
    assert "must not have control characters" in raw.text


def test_a_visit_is_neither_counted_by_person_nor_broken_down(client: FlaskClient) -> None:
    answer = client.get("/insights/api/funnel.json?per=person&days=30").json
    assert answer is not None
    assert answer["answer"]["funnel"][0]["visits"] == 2
    assert "Choose a time, such as 7 days" in answer["answer"]["notices"][0]


def test_it_follows_the_filters_on_the_first_step_and_on_visitors(client: FlaskClient) -> None:
    def visitors(**query: str) -> list[int]:
        said = client.get("/insights/api/funnel.json", query_string={**FUNNEL, **query}).json
        assert said is not None
        return [row["visitors"] for row in said["answer"]["funnel_over_days"]]

    assert visitors() == [2, 1]
    assert visitors(where="filters.rate_max=90") == [1, 1]
    assert visitors(where="filters.rate_max=90", who="returning") == [0, 0]
    page = client.get(PATH, query_string={**FUNNEL, "where": "filters.rate_max=90"})
    assert "not apply here" not in page.text
    [link] = re.findall(r'href="([^"]*/csv/[^"]*)"', page.text)
    rows = client.get(html.unescape(link)).text.splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ['"1"', '"1"']


def test_visits_know_no_filters_so_visitors_are_counted_with_them(client: FlaskClient) -> None:
    query = {"step": FUNNEL["step"], "days": "30", "where": "filters.rate_max=90"}
    page = client.get(PATH, query_string=query).text
    assert "With filters, everybody counts once" in text_of(page)
    assert "within 1 day." in text_of(page)
    assert '<option value="" selected>24 hours (counts visits)' in page
    [link] = re.findall(r'href="([^"]*/csv/[^"]*)"', page)
    rows = client.get(html.unescape(link)).text.splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ['"1"', '"0"']
    said = client.get("/insights/api/funnel.json", query_string=query).json
    assert said is not None
    assert said["answer"]["where"] == ["filters.rate_max=90"]


def test_an_estimate_is_marked_in_words(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "EXACT_SHARE", -1)
    query = {**FUNNEL, "break_down": "filters.rate_max"}
    page = text_of(client.get(PATH, query_string=query).text)
    assert "These are estimates from 1 in 2 visitors" in page
    assert re.search(r"about ≈ \d+ ± [\d.]+ visitors?", page)


def test_a_saved_funnel_says_how_old_its_counts_are(client: FlaskClient) -> None:
    with client.application.app_context():
        reports.save_funnel("saved", [reports.step(text) for text in FUNNEL["step"]], "7d")
        registration_of(client.application).refresher.refresh(funnel_seconds=3600)
    said = client.get("/insights/api/funnel.json", query_string=FUNNEL).json
    assert said is not None
    assert said["counted_at"] is not None
    assert [row["visitors"] for row in said["answer"]["funnel_over_days"]] == [2, 1]
    assert "Read from the stored events" not in client.get(PATH, query_string=FUNNEL).text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("within=7", "“within”: '7' is not a time"),
        ("within=7d&per=session", "“per” must be one of visitor, person"),
        ("within=7d&break_down=[", "“break_down”: '[' is not a valid field"),
        ("step_type=card_click&step_property=x&step_operator=~", "Step 1 cannot be read"),
        ("step_type=card_click&step_more=x", "Step 1 cannot be read"),
        ("step_type=a]", "Step 1 cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_said(client: FlaskClient, query: str, message: str) -> None:
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert message in text_of(answer.text)


def test_an_event_type_that_does_not_exist_is_named(client: FlaskClient) -> None:
    answer = client.get(f"{PATH}?within=7d&step=card_clik")
    assert answer.status_code == 400
    assert "did you mean card_click?" in answer.text
