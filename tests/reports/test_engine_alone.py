"""Reports need an engine and a time zone: no app, no context, no Flask."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tcs_events import identify, reports
from tcs_events.errors import ConfigError, NotCounted, QuestionTimeout, TableMissing
from tcs_events.reports import Period, Reports, reading, step
from tests.conftest import MakeHost
from tests.support import post

ROOM = Path(reports.__file__).parent
STEPS = [step("sage_query[result_count>0]"), step("card_click")]
PERIOD = Period(
    datetime.now(UTC).date() - timedelta(days=6), datetime.now(UTC).date() + timedelta(days=1)
)
CATALOGUE = sa.select(sa.literal("ada").label("username"))

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "activity": lambda ask: ask.activity(PERIOD, "hour"),
    "dead_end_combinations": lambda ask: ask.dead_end_combinations(PERIOD),
    "dead_end_values": lambda ask: ask.dead_end_values(PERIOD),
    "explore": lambda ask: ask.explore(PERIOD, "sage_query", "result_count", interval="day"),
    "exposure": lambda ask: ask.exposure(PERIOD, CATALOGUE),
    "first_day": lambda ask: ask.first_day(),
    "funnel": lambda ask: ask.funnel(PERIOD, STEPS),
    "save_funnel": lambda ask: ask.save_funnel("searches", STEPS, "7d"),
    "saved_funnels": lambda ask: ask.saved_funnels(),
    "delete_funnel": lambda ask: ask.delete_funnel("searches"),
    "last_days": lambda ask: ask.last_days(30),
    "latest_refused": lambda ask: ask.latest_refused(),
    "latest_visitors": lambda ask: ask.latest_visitors(),
    "live": lambda ask: [ask.live(1440).visitors, ask.live(1440).events],
    "paths": lambda ask: ask.paths(PERIOD, "sage_query"),
    "person_timeline": lambda ask: ask.person_timeline("ada@example.com"),
    "properties": lambda ask: ask.properties(PERIOD, "sage_query"),
    "retention": lambda ask: ask.retention(PERIOD, "day", STEPS[1]),
    "session_timeline": lambda ask: ask.session_timeline("visitor-1"),
    "top_experts": lambda ask: ask.top_experts(PERIOD),
    "top_filters": lambda ask: ask.top_filters(PERIOD),
    "top_items": lambda ask: ask.top_items(PERIOD),
    "top_queries": lambda ask: ask.top_queries(PERIOD),
    "total_activity": lambda ask: ask.total_activity(PERIOD),
    "unmet_demand": lambda ask: ask.unmet_demand(PERIOD, min_sessions=1),
    "visitors": lambda ask: ask.visitors(PERIOD),
    "user_timeline": lambda ask: ask.user_timeline("42"),
}
"""Each question, asked of the functions in an app context or of `Reports`."""


def send_some_of_everything(app: Any) -> None:
    filters = {"rate_max": 40}
    query = {"query_text": "Rust", "filters": filters, "expert_ids": []}
    post(app, event_type="sage_query", session_id="visitor-1", payload={**query, "result_count": 0})
    shown = {"query_text": "python", "expert_ids": ["ada"], "result_count": 1}
    post(app, event_type="sage_query", session_id="visitor-1", payload=shown)
    click = {"expert_id": "ada", "context": "grid"}
    post(app, session_id="visitor-1", payload=click, email="ada@example.com")
    change = {"filter": "rate_max", "value": 40, "filters": filters, "result_count": 0}
    post(app, event_type="filter_change", session_id="visitor-2", payload=change)


def test_the_questions_are_all_functions_of_the_door() -> None:
    questions = set(reports.__all__) - {"step"}
    assert {name for name in questions if name.islower()} == set(QUESTIONS)


def test_every_question_is_asked_with_an_engine_alone(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(
        database_url,
        TCS_EVENTS_TIMEZONE="Europe/Berlin",
        TCS_EVENTS_IDENTIFY_USER="by_hand",
        TCS_EVENTS_KEEP_REJECTED=10,
    )
    send_some_of_everything(app)
    post(app, event_type="no_such_type")
    with app.app_context():
        assert identify("visitor-1", user_id="42")
        expected = {name: ask(reports) for name, ask in QUESTIONS.items()}
    assert [name for name, answer in expected.items() if not answer] == []
    engine = sa.create_engine(database_url)
    alone = Reports(engine, timezone="Europe/Berlin")
    assert {name: ask(alone) for name, ask in QUESTIONS.items()} == expected
    engine.dispose()


def test_an_engine_alone_counts_what_nobody_has_counted(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    send_some_of_everything(app)
    alone = Reports(sa.create_engine(sqlite_url), timezone="UTC")
    assert alone.counted_at() is None
    assert [row.expert_id for row in alone.top_experts(PERIOD)] == ["ada"]
    assert alone.counted_at() is not None
    alone.engine.dispose()


def test_many_reports_on_one_engine_leave_nothing_behind(sqlite_url: str) -> None:
    engine = sa.create_engine(sqlite_url)
    listeners = []
    for _ in range(3):
        Reports(engine, timezone="UTC")
        listeners.append((len(engine.dispatch.engine_connect), len(engine.pool.dispatch.checkin)))
    assert listeners == [listeners[0]] * 3
    engine.dispose()


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_function_has_the_arguments_and_the_text_of_its_question(name: str) -> None:
    function, method = getattr(reports, name), getattr(Reports, name)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    assert list(inspect.signature(function).parameters.values()) == parameters
    assert inspect.getdoc(function) == inspect.getdoc(method)


@pytest.mark.parametrize("options", [{}, {"settings": object(), "timezone": "UTC"}])
def test_reports_want_either_a_time_zone_or_settings(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Reports need the time zone of your web app"):
        Reports(sa.create_engine("sqlite://"), **options)


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="TCS_EVENTS_TIMEZONE"):
        Reports(sa.create_engine("sqlite://"), timezone="Mars/Olympus")


def test_a_database_without_our_tables_is_named() -> None:
    with pytest.raises(TableMissing, match="user_event"):
        Reports(sa.create_engine("sqlite://"), timezone="UTC").top_experts(PERIOD)


def test_for_one_answer_the_time_is_shared_and_counting_too_much_is_refused(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_host(sqlite_url)
    post(app)
    alone = Reports(sa.create_engine(sqlite_url), timezone="UTC")
    monkeypatch.setattr(reading, "COUNTED_PER_MS", 0.0)
    with pytest.raises(NotCounted):
        alone.for_one_answer().top_experts(PERIOD)
    assert alone.top_experts(PERIOD)  # whoever asks by himself waits for as long as it takes
    waited_for = alone.for_one_answer()
    assert waited_for.top_experts(PERIOD)
    monkeypatch.setattr("tcs_events.counts.time_limit.monotonic", lambda: float("inf"))
    with pytest.raises(QuestionTimeout):
        waited_for.top_experts(PERIOD)
    alone.engine.dispose()


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda path: path.stem)
def test_no_file_of_reports_imports_flask_or_what_stands_above_it(path: Path) -> None:
    """Only the functions that ask in an app context import the app, when they are called."""
    above = ("flask", "tcs_events.host", "tcs_events.cli", "tcs_events.dashboard")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found = {name for name in names if name.startswith(above)}
    assert found == ({"tcs_events.host.reports"} if path.stem == "in_app" else set())
