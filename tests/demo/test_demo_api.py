"""The demo's JSON API finds the same experts as its pages, and Sage takes filters from words."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tcs_events.demo import create_app
from tcs_events.demo.experts import EXPERTS
from tcs_events.demo.models import Expert
from tests.support import post, stored

FIELDS = {"username", "name", "title", "bio", "tags", "hourly_rate", "hue"}
ROWS = {row["username"]: row for row in EXPERTS}


@pytest.fixture
def app(sqlite_url: str, close_later: list[Flask]) -> Flask:
    app = create_app(sqlite_url)
    close_later.append(app)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def usernames(answer: dict[str, Any]) -> list[str]:
    """Return who was found, after a check that the count agrees."""
    assert answer["result_count"] == len(answer["experts"])
    return [expert["username"] for expert in answer["experts"]]


def get_experts(client: FlaskClient, query: str = "") -> dict[str, Any]:
    response = client.get(f"/api/experts?{query}")
    assert response.status_code == 200
    answer: dict[str, Any] = response.get_json()
    return answer


def ask(client: FlaskClient, query: str, **filters: object) -> dict[str, Any]:
    response = client.post("/api/sage", json={"query": query, "filters": filters})
    assert response.status_code == 200
    answer: dict[str, Any] = response.get_json()
    return answer


def cheaper_than(rate_max: int, *tags: str) -> list[str]:
    """Return who costs no more and has the tags, by name, worked out without the demo's search."""
    rows = sorted(EXPERTS, key=lambda row: row["name"])
    return [
        row["username"]
        for row in rows
        if row["hourly_rate"] <= rate_max and set(tags) <= set(row["tags"])
    ]


class TestExperts:
    def test_there_are_sixty_who_fit_their_columns(self) -> None:
        assert len(ROWS) == len(EXPERTS) == 60
        for row in EXPERTS:
            assert row.keys() == FIELDS
            for field in ("username", "name", "title", "bio"):
                assert len(row[field]) <= Expert.__table__.c[field].type.length  # type: ignore[literal-required]
            assert row["tags"]
            assert 45 <= row["hourly_rate"] <= 200
            assert 0 <= row["hue"] < 360

    def test_without_parameters_everybody_comes_by_name(self, client: FlaskClient) -> None:
        answer = get_experts(client)
        assert usernames(answer) == cheaper_than(200)
        assert answer["experts"] == [ROWS[name] for name in usernames(answer)]

    def test_every_tag_and_the_rate_narrow_the_list(self, client: FlaskClient) -> None:
        found = usernames(get_experts(client, "tags=python&tags=flask&rate_max=92"))
        assert found == cheaper_than(92, "python", "flask")
        assert "jakub-wrzosniak" in found  # who costs 92

    def test_the_lowest_rate_narrows_the_list_and_is_inclusive(self, client: FlaskClient) -> None:
        found = usernames(get_experts(client, "rate_min=92&rate_max=120"))
        rates = [ROWS[name]["hourly_rate"] for name in found]
        assert set(found) == {name for name, row in ROWS.items() if 92 <= row["hourly_rate"] <= 120}
        assert min(rates) == 92
        answer = ask(client, "", tags=[], rate_min=92, rate_max=120)
        assert usernames(answer) == found
        assert "from €92 an hour up to €120 an hour" in answer["answer"]

    def test_words_find_who_matches_most_of_them(self, client: FlaskClient) -> None:
        assert usernames(get_experts(client, "q=bjorn")) == ["bjorn-ostlindh"]
        assert "paloma-txurruka" in usernames(get_experts(client, "q=pay"))  # tagged payments
        assert "yuki-harasawa" in usernames(get_experts(client, "q=designers"))  # tagged design
        assert usernames(get_experts(client, "q=historian")) == []  # many a bio says "his"

    def test_the_page_and_the_api_find_the_same(self, client: FlaskClient) -> None:
        query = "q=a+designer&tags=accessibility&rate_max=110"
        found = usernames(get_experts(client, query))
        assert len(found) > 1
        page = client.get(f"/?fragment=1&{query}").get_data(as_text=True)
        places = [page.index(f'href="/experts/{username}"') for username in found]
        assert places == sorted(places)
        assert page.count('class="card-link"') == len(found)

    def test_the_page_offers_a_tag_of_one_expert_only_where_it_is_set(
        self, client: FlaskClient
    ) -> None:
        chip = 'name="tags" value="rust"'
        assert chip not in client.get("/").get_data(as_text=True)
        assert f"{chip} checked" in client.get("/?tags=rust").get_data(as_text=True)

    @pytest.mark.parametrize("bound", ["rate_min", "rate_max"])
    def test_a_rate_that_is_no_number_is_refused(self, client: FlaskClient, bound: str) -> None:
        response = client.get(f"/api/experts?{bound}=cheap")
        assert response.status_code == 422
        assert response.get_json() == {"errors": {bound: ["Not a valid integer."]}}

    def test_filters_offer_each_tag_once_and_the_range_of_rates(self, client: FlaskClient) -> None:
        filters = client.get("/api/experts/filters").get_json()
        assert filters == {
            "tags": sorted({tag for row in EXPERTS for tag in row["tags"]}),
            "rate_min": 45,
            "rate_ceiling": 200,
        }


class TestSage:
    def test_a_question_is_searched_and_answered_in_words(self, client: FlaskClient) -> None:
        answer = ask(client, "Who knows Björn?")
        assert answer["answer"] == "I found one expert for “Who knows Björn?”: Björn Östlindh."
        assert answer["search_performed"] is True
        assert answer["experts"] == [ROWS["bjorn-ostlindh"]]

    def test_nobody_found_is_an_answer_too(self, client: FlaskClient) -> None:
        answer = ask(client, "underwater basketry")
        assert usernames(answer) == []
        assert answer["search_performed"] is True
        assert answer["answer"].startswith("I found nobody for “underwater basketry”.")

    def test_the_filters_of_the_page_hold_for_a_question(self, client: FlaskClient) -> None:
        unfiltered = ask(client, "design")
        answer = ask(client, "design", tags=["react"], rate_max=120)
        assert usernames(answer) == [
            name for name in usernames(unfiltered) if name in cheaper_than(120, "react")
        ]
        assert 0 < answer["result_count"] < unfiltered["result_count"]

    @pytest.mark.parametrize(
        ("query", "rate_max", "tags"),
        [
            ("under 100 euros", 100, []),
            ("Under 100€", 100, []),
            ("up to 80", 80, []),
            ("up to €80 an hour", 80, []),
            ("somebody who costs less than 95 euros per hour, please", 95, []),
            ("max 70", 70, []),
            ("< 70 EUR", 70, []),
            ("60 euros or less", 60, []),
            ("tagged python", 200, ["python"]),
            ("tagged Python and flask", 200, ["python", "flask"]),
            ("show me everyone tagged python, under 120 euros", 120, ["python"]),
            ("under 120 and tagged python", 120, ["python"]),
        ],
    )
    def test_words_that_are_only_filters_filter_and_search_nothing(
        self, client: FlaskClient, query: str, rate_max: int, tags: list[str]
    ) -> None:
        answer = ask(client, query)
        assert answer["search_performed"] is False
        assert usernames(answer) == cheaper_than(rate_max, *tags)
        assert 0 < answer["result_count"] < 60

    def test_filters_in_words_come_on_top_of_those_of_the_page(self, client: FlaskClient) -> None:
        expected = cheaper_than(100, "design", "accessibility")
        for words, rate_max in (
            ("under 100, tagged design", 150),
            ("up to 150 tagged design", 100),
        ):
            answer = ask(client, words, tags=["accessibility"], rate_max=rate_max)
            assert usernames(answer) == expected
            assert answer["answer"] == (
                f"I found {len(expected)} experts up to €100 an hour,"
                " tagged accessibility and design."
            )

    def test_filters_among_words_are_no_words_to_search_for(self, client: FlaskClient) -> None:
        answer = ask(client, "a designer under 100 euros tagged mobile")
        assert answer["search_performed"] is True
        assert usernames(answer) == usernames(
            ask(client, "a designer", tags=["mobile"], rate_max=100)
        )
        assert "for “a designer” up to €100 an hour, tagged mobile" in answer["answer"]

    @pytest.mark.parametrize(
        "query",
        ["python", "under 18 months", "up to 10 years of flask", "tagged cobol", "below 80k"],
    )
    def test_what_is_no_filter_is_searched_for(self, client: FlaskClient, query: str) -> None:
        answer = ask(client, query)
        assert answer["search_performed"] is True
        assert f"“{query}”" in answer["answer"]

    @pytest.mark.parametrize("query", ["", "  ", "show me all experts"])
    def test_no_words_and_no_filters_are_everybody(self, client: FlaskClient, query: str) -> None:
        answer = ask(client, query)
        assert answer["search_performed"] is False
        assert answer["answer"] == "I found 60 experts."

    def test_filters_may_be_left_out(self, client: FlaskClient) -> None:
        answer = client.post("/api/sage", json={"query": "tagged rust"}).get_json()
        assert usernames(answer) == ["rustam-kadyrbai"]

    def test_the_ceiling_is_any_rate(self, client: FlaskClient) -> None:
        assert ask(client, "", tags=[], rate_max=200)["result_count"] == 60
        assert ask(client, "", tags=[], rate_max=None)["result_count"] == 60

    @pytest.mark.parametrize(
        ("body", "status", "field"),
        [
            (b"", 400, "_schema"),
            (b"{", 400, "_schema"),
            (b"\xff", 400, "_schema"),
            (b"[" * 100_000, 400, "_schema"),
            (b'{"query": ' + b"9" * 5000 + b"}", 400, "_schema"),
            (b"[]", 422, "_schema"),
            (b"null", 422, "_schema"),
            (b"{}", 422, "query"),
            (b'{"query": null}', 422, "query"),
            (b'{"query": 7}', 422, "query"),
            (b'{"query": "' + b"a" * 201 + b'"}', 422, "query"),
            (b'{"query": "a", "filters": []}', 422, "filters"),
            (b'{"query": "a", "filters": {"tags": "python"}}', 422, "filters"),
            (b'{"query": "a", "filters": {"tags": [["python"]]}}', 422, "filters"),
            (b'{"query": "a", "filters": {"rate_max": "80"}}', 422, "filters"),
            (b'{"query": "a", "filters": {"rate_max": 80.5}}', 422, "filters"),
            (b'{"query": "a", "filters": {"rate_max": 1e999}}', 422, "filters"),
            (b'{"query": "a", "filters": {"rate_max": NaN}}', 422, "filters"),
            (b'{"query": "a", "filters": {"rate_max": true}}', 422, "filters"),
        ],
        ids=lambda value: value[:40] if isinstance(value, bytes) else None,
    )
    def test_bad_input_is_refused_in_json(
        self, client: FlaskClient, body: bytes, status: int, field: str
    ) -> None:
        response = client.post("/api/sage", data=body)
        assert response.status_code == status
        assert response.get_json()["errors"].keys() == {field}

    @pytest.mark.parametrize("query", ["\ud800", "a\0b", "up to " + "9" * 190, "<b>", "((((", "🦊"])
    def test_odd_texts_are_answered(self, client: FlaskClient, query: str) -> None:
        ask(client, query, tags=[query])


class TestEvents:
    """The API stands beside the endpoint of the events, and the demo has a type of its own."""

    @pytest.mark.parametrize(
        "event_type", ["card_click", "sage_query", "filter_change", "card_impression"]
    )
    def test_the_demo_accepts(self, app: Flask, event_type: str) -> None:
        assert post(app, event_type=event_type).status_code == 202
        assert [row["event_type"] for row in stored(app)] == [event_type]

    def test_another_type_is_refused(self, app: Flask) -> None:
        assert post(app, event_type="card_hover").status_code == 422
        assert stored(app) == []

    def test_the_panel_words_an_impression(self, client: FlaskClient) -> None:
        seen = {"expert_id": "ines-vallado", "context": "sage_panel", "position": 3}
        post(client, event_type="card_impression", payload=seen)
        panel = client.get("/just-stored").get_data(as_text=True)
        assert "ines-vallado · seen in sage_panel, position 3" in panel


def test_an_older_database_gets_the_experts_it_lacks_and_keeps_its_own(
    tmp_path: Path, sqlite_url: str, close_later: list[Flask]
) -> None:
    close_later.append(create_app(sqlite_url))
    database = sqlite3.connect(tmp_path / "host.db")
    database.execute("UPDATE experts SET hourly_rate = 77 WHERE username = 'ines-vallado'")
    database.execute("DELETE FROM experts WHERE username != 'ines-vallado'")
    database.commit()
    database.close()

    app = create_app(sqlite_url)
    close_later.append(app)
    rates = {
        expert["username"]: expert["hourly_rate"]
        for expert in get_experts(app.test_client())["experts"]
    }
    assert rates.pop("ines-vallado") == 77
    assert rates == {name: row["hourly_rate"] for name, row in ROWS.items() if name in rates}
    assert len(rates) == 59
