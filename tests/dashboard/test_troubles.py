"""What is asked wrongly, and what is not there, is said in words."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.conftest import MakeHost
from tests.dashboard.addresses import addresses, page_paths
from tests.dashboard.conftest import Dashboard
from tests.support import need_module

LEAKS = ("Traceback", "SELECT", "sqlite3", "psycopg", "sqlalchemy", "user_event_daily", "/home")

BAD = [
    "days=0",
    "days=-1",
    "days=x",
    "days=3661",
    "days=9999999999999999999999",
    "days=%D9%A3",
    "from=yesterday",
    "from=2026-02-30",
    "from=20260101",
    "from=2026-W01-1",
    "from=2026-03-01&to=2026-02-01",
    "from=0001-01-01",
    "to=9999-12-31",
    "from=1980-01-01&to=2026-01-01",
    "from=%00",
    "days=" + "9" * 5000,
]


@pytest.mark.parametrize("query", BAD)
def test_a_period_that_is_none_is_refused_in_words(small: Dashboard, query: str) -> None:
    client = small(lambda: True)
    for path in ("/", "/gaps", "/funnel", "/tables/gaps", "/csv/gaps.csv"):
        answer = client.get(f"/insights{path}?{query}")
        assert answer.status_code == 400
        assert answer.mimetype == "text/html"
        assert "There is a mistake in this address" in answer.text
    answer = client.get(f"/insights/api/gaps.json?{query}")
    assert answer.status_code == 400
    assert answer.json is not None
    assert list(answer.json["errors"]) == ["_schema"]


@pytest.mark.parametrize(
    "address",
    [
        "activity?unit=year",
        "paths?depth=6",
        "paths?where=x",
        "paths?type=a[b",
        "paths?type=cardclick",
        "retention?where=plan",
        "retention?type=a[b",
        "retention?type=card_click&where=x",
        "retention?type=cardclick",
        "retention?unit=hour",
        "retention?returning=[",
        "explore?by=a=b",
        "explore?type=a[b",
        "explore?measure=sum",
        "explore?interval=hour",
        "explore?type=no_such_type",
        "explore?where=plan",
        "explore?who=old",
        "tables/explore?measure=sum(",
        "funnel?step=[[[",
        "funnel?step=card_click[context]",
        "funnel?step=" + "x" * 500,
        "funnel?" + "step=a&" * 9,
        "timeline?session=" + "x" * 65,
        "timeline?session=a%00b",
        "timeline?session=a&email=b",
        "tables/gaps?page=0",
        "tables/gaps?page=101",
        "tables/gaps?page=x",
        "tables/exposure?rung=top",
        "api/top.json?limit=0",
        "api/top.json?limit=1001",
    ],
)
def test_another_bad_parameter_is_refused_in_words(small: Dashboard, address: str) -> None:
    answer = small(lambda: True).get(f"/insights/{address}")
    assert answer.status_code == 400
    assert not any(leak in answer.text for leak in LEAKS)


@pytest.mark.parametrize(
    "address", ["nothing", "tables/nothing", "csv/nothing.csv", "api/nothing.json", "static/no.css"]
)
def test_what_is_not_there_is_said_so(small: Dashboard, address: str) -> None:
    assert small(lambda: True).get(f"/insights/{address}").status_code == 404


def test_an_empty_database_has_all_pages(empty: FlaskClient) -> None:
    for path in page_paths():
        for query in ("", "?days=7", "?from=1970-01-01&to=1970-01-02", "?days=3660"):
            answer = empty.get(path + query)
            assert answer.status_code == 200, answer.text
    for address in addresses(empty.application):
        assert empty.get(address).status_code in (200, 404), address
    for path in set(page_paths()) - {"/insights/timeline", "/insights/exposure"}:
        assert "Nothing yet" in empty.get(path).text, path
    assert "No events are stored for this session" in empty.get("/insights/timeline?session=x").text


def test_no_data_is_no_zero(empty: FlaskClient) -> None:
    html = empty.get("/insights/").text
    assert '<dd class="value">–</dd>' in html  # noqa: RUF001
    assert '<dd class="value">0</dd>' not in html
    said = empty.get("/insights/api/overview.json").json
    assert said is not None
    assert said["answer"]["gini"] is None
    assert said["answer"]["totals"] == {}


def test_missing_tables_are_said_with_the_remedy(make_host: MakeHost, database_url: str) -> None:
    from tcs_events.dashboard import create_dashboard

    app = make_host(database_url, create=False)
    app.register_blueprint(create_dashboard(lambda: True))
    client = app.test_client()
    client.get("/")
    for path in page_paths():
        path += "?session=x" if path.endswith("timeline") else ""
        with capture_logs() as logs:
            answer = client.get(path)
        assert answer.status_code == 503, path
        assert "A table is missing" in answer.text
        assert "db.create_all()" in answer.text
        assert answer.headers["Retry-After"]
        assert not any(leak in answer.text for leak in LEAKS)
        assert [entry["event"] for entry in logs] == ["tcs_events.table_missing"]
    answer = client.get("/insights/api/gaps.json")
    assert answer.status_code == 503
    assert answer.json is not None
    assert "db.create_all()" in answer.json["errors"]["_schema"][0]


def test_one_missing_table_is_found(empty: FlaskClient) -> None:
    app = empty.application
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        connection.execute(text("DROP TABLE user_event_daily_demand"))
    assert empty.get("/insights/gaps").status_code == 503


def test_a_database_that_does_not_answer_is_said(make_host: MakeHost) -> None:
    from tcs_events.dashboard import create_dashboard

    need_module("psycopg")
    app = make_host("postgresql+psycopg://nobody@127.0.0.1:1/none", create=False)
    app.register_blueprint(create_dashboard(lambda: True))
    client = app.test_client()
    for path in page_paths():
        answer = client.get(path + ("?session=x" if path.endswith("timeline") else ""))
        assert answer.status_code == 503
        assert "The database does not answer" in answer.text
        assert not any(leak in answer.text for leak in LEAKS)


def test_an_app_without_a_database_is_told(small: Dashboard) -> None:
    from flask import Flask

    from tcs_events import create_blueprint
    from tcs_events.dashboard import create_dashboard

    app = Flask("host")
    app.register_blueprint(create_blueprint())
    app.register_blueprint(create_dashboard(lambda: True))
    answer = app.test_client().get("/insights/")
    assert answer.status_code == 503
    assert "db.init_app(app)" in answer.text
