"""Nobody waits long for a page: it comes, says how old its counts are, or why it does not come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs

from tcs_events import create_blueprint
from tcs_events.dashboard import blueprint, create_dashboard
from tcs_events.reports import reading
from tests.conftest import MakeHost
from tests.dashboard.addresses import page_paths
from tests.dashboard.conftest import WholeAnswers
from tests.dashboard.visitors import fill, noon_today, visitors
from tests.support import post

ENDLESS = (
    "CREATE VIEW user_event_daily_demand AS"
    " WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT n AS id,"
    " CURRENT_DATE AS day, 'day' AS unit, 'rust' AS query, 'Rust' AS sample, 1 AS sessions,"
    " 1 AS no_result, 0 AS no_result_filtered, 0 AS found_unfiltered, 0 AS no_click,"
    " 0 AS reformulated FROM numbers"
)
"""An answer that has no end, in the place of a table."""
COUNTED = ("overview", "activity", "top", "gaps", "exposure", "dead_ends")


@pytest.fixture
def hurried(make_host: MakeHost, database_url: str, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A dashboard that has a second, in which a hundred events are counted."""
    monkeypatch.setattr(reading, "COUNTED_PER_MS", 0.1)
    app = make_host(database_url, create_blueprint(report_timeout_ms=1000))
    app.register_blueprint(create_dashboard(lambda: True))
    app.test_client_class = WholeAnswers
    return app.test_client()


def some(count: int) -> list:
    return list(visitors(150, 10, noon_today()))[:count]


def count_everything(client: FlaskClient) -> None:
    with client.application.app_context():
        client.application.extensions["tcs_events"].refresher.refresh()


def make_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every look at the counts find them old."""
    monkeypatch.setattr(reading, "FRESH_FOR", timedelta(0))
    monkeypatch.setattr(blueprint, "OLD_AFTER", timedelta(0))


def test_a_question_without_end_is_answered_503_in_words(hurried: FlaskClient) -> None:
    assert hurried.get("/insights/").status_code == 200
    engine = hurried.application.extensions["tcs_events"].store.engine
    with hurried.application.app_context(), engine.begin() as connection:
        connection.execute(text("DROP TABLE user_event_daily_demand"))
        connection.execute(text(ENDLESS))
    for path in ("/insights/", "/insights/csv/gaps.csv"):
        with capture_logs() as logs:
            answer = hurried.get(path)
        assert answer.status_code == 503, path
        assert "This took too long" in answer.text
        assert "longer than 1 s and was given up. Ask for fewer days" in answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert [entry["event"] for entry in logs] == ["tcs_events.question_timeout"]
    answer = hurried.get("/insights/api/gaps.json")
    assert answer.status_code == 503
    assert answer.json is not None
    assert "Ask for fewer days" in answer.json["errors"]["_schema"][0]
    assert answer.headers["Retry-After"]
    assert hurried.get("/insights/dead-ends").status_code == 200


def test_more_events_than_one_can_wait_for_are_not_counted_by_a_page(hurried: FlaskClient) -> None:
    fill(hurried.application, some(100))
    refresher = hurried.application.extensions["tcs_events"].refresher
    for question in COUNTED:
        answer = hurried.get(f"/insights/api/{question}.json")
        assert answer.status_code == 503, question
        assert answer.json is not None
        assert "flask tcs-events rollup" in answer.json["errors"]["_schema"][0]
        assert answer.headers["Retry-After"]
    answer = hurried.get("/insights/")
    assert answer.status_code == 503
    assert "The events are yet to be counted" in answer.text
    with hurried.application.app_context():
        assert refresher.refreshed_at() is None
    assert hurried.get("/insights/timeline").status_code == 200  # reads no counts
    count_everything(hurried)
    for path in page_paths():
        assert hurried.get(path).status_code == 200, path


def test_few_events_are_counted_by_the_page_that_needs_them(hurried: FlaskClient) -> None:
    fill(hurried.application, some(99))
    assert "99" in hurried.get("/insights/").text
    assert 'class="notice"' not in hurried.get("/insights/").text


@pytest.mark.parametrize(("more", "is_counted"), [(10, True), (60, False)])
def test_old_counts_are_shown_and_said_to_be_old(
    hurried: FlaskClient, monkeypatch: pytest.MonkeyPatch, more: int, is_counted: bool
) -> None:
    fill(hurried.application, some(50))
    count_everything(hurried)
    before = hurried.get("/insights/api/activity.json").json
    make_stale(monkeypatch)
    fill(hurried.application, some(50 + more)[50:])
    now = hurried.get("/insights/api/activity.json").json
    assert before is not None
    assert now is not None
    assert (now["answer"] != before["answer"]) is is_counted
    assert (now["counted_at"] != before["counted_at"]) is is_counted
    for path in ("/insights/", "/insights/gaps", "/insights/tables/gaps"):
        # With no time at all within which counts are young, the note is always there.
        assert "These are the counts of" in hurried.get(path).text
    assert "These are the counts of" not in hurried.get("/insights/timeline").text


def test_a_page_refreshes_the_counts_once(
    hurried: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(hurried.application)
    make_stale(monkeypatch)
    refresher = hurried.application.extensions["tcs_events"].refresher
    calls: list[object] = []
    refresh: Callable[[], object] = refresher.refresh
    monkeypatch.setattr(refresher, "refresh", lambda **_: calls.append(refresh()))
    assert hurried.get("/insights/").status_code == 200
    assert len(calls) == 1
