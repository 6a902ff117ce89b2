"""What an address asks for and there is not, is named with what there is; nothing is silent."""

from __future__ import annotations

import html

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import PAGES, TABLES
from tests.conftest import MakeHost
from tests.words import OF_EXPERTS

PERIOD = ["days", "from", "to", "period"]
FILTERS = ["type", "where", "who"]
UNKNOWN = {
    "unit=month": ["day, hour, week", "month"],
    "unit=Day": ["day, hour, week", "Day"],
    "days=0": ["a whole number from 1 to 3660"],
    "days=7&from=2026-01-01": ["“days” and “from” both say where to begin"],
    "from=2026-02-30": ["a date such as 2026-01-31"],
    "from=2026-03-02&to=2026-03-01": ["cannot be after"],
    "period=week": ["yesterday, all", "week"],
    "period=all&days=7": ["“period” says which days"],
}


@pytest.fixture
def client(make_host: MakeHost, sqlite_url: str) -> FlaskClient:
    app: Flask = make_host(sqlite_url)
    app.register_blueprint(create_dashboard(lambda: True))
    return app.test_client()


@pytest.mark.parametrize("asked", UNKNOWN)
@pytest.mark.parametrize(
    "path", ["activity", "api/activity.json", "tables/activity", "csv/activity.csv"]
)
def test_an_unknown_value_is_named_with_those_that_there_are(
    client: FlaskClient, path: str, asked: str
) -> None:
    answer = client.get(f"/insights/{path}?{asked}")
    assert answer.status_code == 400
    said = answer.json["errors"]["_schema"][0] if answer.is_json else html.unescape(answer.text)  # type: ignore[index]
    for part in UNKNOWN[asked]:
        assert part in said


VALUES = {
    "paths": ("direction=around", "after, before"),
    "retention": ("unit=hour", "week, day"),
    "exposure": ("rung=first", "never_returned, never_first, never_clicked, under_clicked"),
}


@pytest.mark.parametrize("page", VALUES)
def test_so_are_those_of_other_pages(client: FlaskClient, page: str) -> None:
    asked, known = VALUES[page]
    for path in (f"tables/{page}", f"csv/{page}.csv"):
        answer = client.get(f"/insights/{path}?{asked}")
        assert answer.status_code == 400
        assert known in html.unescape(answer.text)
        assert asked.partition("=")[2] in answer.text


@pytest.mark.parametrize("parameter", ["sort", "context", "Unit", "<b>", "limit"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_which_parameters_change_nothing(
    client: FlaskClient, name: str, parameter: str
) -> None:
    answer = client.get(f"/insights{PAGES[name].path}", query_string={parameter: "card_click"})
    assert answer.status_code == 200
    text = html.unescape(answer.text.replace("<code>", "").replace("</code>", ""))
    assert f"This page ignores {parameter}." in text
    known = ", ".join([*PAGES[name].keeps, *FILTERS, *PERIOD])
    assert f"Its parameters are {known}." in " ".join(text.split())
    assert "<b>" not in answer.text.replace("<b>0</b>", "")


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (name, parameter)
        for name, page in PAGES.items()
        for parameter in ("sort", "context", "Unit", *FILTERS)
        if parameter not in page.filters
    ],
)
def test_json_refuses_them(client: FlaskClient, name: str, parameter: str) -> None:
    page = PAGES[name]
    value = {"where": "context=grid", "who": "new"}.get(parameter, "card_click")
    answer = client.get(f"/insights/api/{name}.json", query_string={parameter: value})
    assert answer.status_code == 400
    known = ", ".join([*page.keeps, "limit", *page.filters, *PERIOD])
    assert answer.json == {
        "errors": {
            "_schema": [f"There is no parameter “{parameter}” here. The parameters are {known}."]
        }
    }


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_so_and_a_file_refuses(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/insights/tables/{name}?sort=hour")
    assert answer.status_code == 200
    assert "This page ignores <code>sort</code>." in answer.text
    answer = client.get(f"/insights/csv/{name}.csv?sort=hour")
    assert answer.status_code == 400
    assert "There is no parameter “sort” here." in answer.text


@pytest.mark.parametrize("name", PAGES)
def test_what_is_known_is_no_trouble(client: FlaskClient, name: str) -> None:
    """The control."""
    for args in ({}, {"days": "7"}, {"from": "2026-01-01", "to": "2026-01-31"}):
        answer = client.get(f"/insights{PAGES[name].path}", query_string=args)
        assert answer.status_code == 200
        assert "This page ignores" not in answer.text
        assert client.get(f"/insights/api/{name}.json", query_string=args).status_code == 200


def test_days_up_to_a_day(client: FlaskClient) -> None:
    """As `--days 7 --to 2026-01-31` of the commands."""
    answer = client.get("/insights/api/activity.json?days=7&to=2026-01-31")
    assert answer.json["period"] == {"first": "2026-01-25", "last": "2026-01-31"}  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "known"),
    [("api/clicks.json", PAGES), ("tables/clicks", TABLES), ("csv/clicks.csv", TABLES)],
)
def test_an_unknown_question_is_answered_with_those_there_are(
    client: FlaskClient, path: str, known: dict[str, object]
) -> None:
    answer = client.get(f"/insights/{path}")
    assert answer.status_code == 404
    assert ", ".join(map(OF_EXPERTS.name, known)) in answer.text


def test_a_flood_of_parameters_is_not_repeated(client: FlaskClient) -> None:
    asked = {f"{number}-{'x' * 500}": "1" for number in range(50)}
    answer = client.get("/insights/", query_string=asked)
    assert answer.status_code == 200
    assert answer.text.count("xxx") < 150
