"""Nobody waits long for a page: it comes, says how old its counts are, or why it does not come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import sleep

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs

from tcs_events import create_blueprint
from tcs_events.counts import events
from tcs_events.dashboard import blueprint, create_dashboard
from tcs_events.reports import reading
from tests.conftest import MakeHost
from tests.dashboard.addresses import page_paths
from tests.dashboard.conftest import WholeAnswers
from tests.dashboard.visitors import fill, noon_today, visitors
from tests.support import kind_of, post

ENDLESS = (
    "CREATE VIEW user_event_daily_demand AS"
    " WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT n AS id,"
    " CURRENT_DATE AS day, 'day' AS unit, 'rust' AS query, 'Rust' AS sample, 1 AS sessions,"
    " 1 AS no_result, 0 AS no_result_filtered, 0 AS found_unfiltered, 0 AS no_click,"
    " 0 AS reformulated FROM numbers"
)
_RECURSION = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) "


def endless_on(url: str) -> str:
    """Return `ENDLESS` for a kind of database. MariaDB ends a recursion after a thousand rounds."""
    if kind_of(url) != "mariadb":
        return ENDLESS
    numbers = "(SELECT seq AS n FROM seq_1_to_3000000000 WHERE md5(seq) <> '') AS numbers"
    return ENDLESS.replace(_RECURSION, "").replace("FROM numbers", f"FROM {numbers}")


"""An answer that has no end, in the place of a table."""
HURRIED_MS = 4_000
"""Long enough for an answer that has an end, however busy the machine is."""
COUNTED = ("overview", "activity", "top", "gaps", "exposure", "dead_ends")


def make_dashboard(make_host: MakeHost, url: str, timeout_ms: int) -> FlaskClient:
    app = make_host(url, create_blueprint(report_timeout_ms=timeout_ms))
    app.register_blueprint(create_dashboard(lambda: True))
    app.test_client_class = WholeAnswers
    return app.test_client()


@pytest.fixture
def hurried(make_host: MakeHost, database_url: str, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A dashboard that has a few seconds, in which it expects to count a hundred events."""
    monkeypatch.setattr(reading, "COUNTED_PER_MS", 100 / HURRIED_MS)
    return make_dashboard(make_host, database_url, HURRIED_MS)


@pytest.fixture
def patient(make_host: MakeHost, database_url: str, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A dashboard that expects as much, and has a minute for it, however busy the machine is."""
    monkeypatch.setattr(reading, "COUNTED_PER_MS", 0.1 / 60)
    return make_dashboard(make_host, database_url, 60_000)


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
    engine = hurried.application.extensions["tcs_events"].database.engine
    with hurried.application.app_context(), engine.begin() as connection:
        connection.execute(text("DROP TABLE user_event_daily_demand"))
        connection.execute(text(endless_on(str(engine.url))))
    for path in ("/insights/", "/insights/csv/gaps.csv"):
        with capture_logs() as logs:
            answer = hurried.get(path)
        assert answer.status_code == 503, path
        assert "This took too long" in answer.text
        assert "longer than 4 s and was given up. Ask for fewer days" in answer.text
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
    assert "The events are still to be counted" in answer.text
    with hurried.application.app_context():
        assert refresher.refreshed_at() is None
    assert hurried.get("/insights/timeline").status_code == 200  # reads no counts
    count_everything(hurried)
    for path in page_paths():
        assert hurried.get(path).status_code == 200, path


def test_few_events_are_counted_by_the_page_that_needs_them(patient: FlaskClient) -> None:
    fill(patient.application, some(99))
    assert "99" in patient.get("/insights/").text
    assert 'class="notice"' not in patient.get("/insights/").text


@pytest.mark.parametrize(("more", "is_counted"), [(10, True), (60, False)])
def test_old_counts_are_shown_and_said_to_be_old(
    patient: FlaskClient, monkeypatch: pytest.MonkeyPatch, more: int, is_counted: bool
) -> None:
    fill(patient.application, some(50))
    count_everything(patient)
    before = patient.get("/insights/api/activity.json").json
    make_stale(monkeypatch)
    fill(patient.application, some(50 + more)[50:])
    now = patient.get("/insights/api/activity.json").json
    assert before is not None
    assert now is not None
    assert (now["answer"] != before["answer"]) is is_counted
    assert (now["counted_at"] != before["counted_at"]) is is_counted
    for path in ("/insights/", "/insights/gaps", "/insights/tables/gaps"):
        # With no time at all within which counts are young, the note is always there.
        assert "These counts are from" in patient.get(path).text
    assert "These counts are from" not in patient.get("/insights/timeline").text


def test_a_page_refreshes_the_counts_once(
    patient: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(patient.application)
    make_stale(monkeypatch)
    refresher = patient.application.extensions["tcs_events"].refresher
    calls: list[object] = []
    refresh: Callable[[], object] = refresher.refresh
    monkeypatch.setattr(refresher, "refresh", lambda **_: calls.append(refresh()))
    assert patient.get("/insights/").status_code == 200
    assert len(calls) == 1


@pytest.fixture
def slow_events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have what Python does with an event take long; give the events that it was done with."""
    seen: list[str] = []
    payload_of = events.payload_of

    def slow(text: str) -> object:
        seen.append(text)
        sleep(HURRIED_MS / 50_000)
        return payload_of(text)

    monkeypatch.setattr(events, "payload_of", slow)
    # Nobody can tell beforehand that it takes so long.
    monkeypatch.setattr(reading, "COUNTED_PER_MS", 1_000_000)
    return seen


def test_counting_is_given_up_where_it_takes_too_long(
    hurried: FlaskClient, slow_events: list[str]
) -> None:
    fill(hurried.application, some(200))
    answer = hurried.get("/insights/")
    assert answer.status_code == 503
    assert "The events are still to be counted" in answer.text
    assert 0 < len(slow_events) < 110
    # Whoever counts next is not held up, and nothing is lost.
    slow_events.clear()
    count_everything(hurried)
    assert len(slow_events) >= 200
    answer = hurried.get("/insights/api/activity.json")
    assert answer.json is not None
    totals = [row["events"] for row in answer.json["answer"]["activity"] if not row["event_type"]]
    assert sum(totals) == 200


def test_older_counts_are_shown_where_counting_is_given_up(
    hurried: FlaskClient, slow_events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(hurried.application, some(1))
    count_everything(hurried)
    before = hurried.get("/insights/api/activity.json").json
    fill(hurried.application, some(200)[1:])
    make_stale(monkeypatch)
    slow_events.clear()
    now = hurried.get("/insights/api/activity.json").json
    assert before is not None
    assert now is not None
    assert now["counted_at"] == before["counted_at"]  # the newest days may be there, not all are
    assert "These counts are from" in hurried.get("/insights/gaps").text
    assert 0 < len(slow_events) < 200


@pytest.mark.parametrize(
    "path",
    ["retention?returning=card_click[context=grid]", "csv/retention.csv?returning=sage_query[y=1]"],
)
def test_reading_events_is_given_up_within_python_too(
    hurried: FlaskClient, slow_events: list[str], path: str
) -> None:
    for number in range(150):
        post(hurried.application, session_id=f"visitor-{number}")
    count_everything(hurried)
    slow_events.clear()
    answer = hurried.get(f"/insights/{path}")
    assert answer.status_code == (503 if "card_click" in path else 200)
    assert len(slow_events) < 120
