"""Reports in a script: what is missing is said, and how to add it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import events_bp, reports
from tcs_events.errors import ConfigError, DatabaseMissing, TableMissing
from tests.conftest import MakeHost

QUESTIONS: dict[str, Callable[[reports.Period], object]] = {
    "last_days": lambda period: reports.last_days(7),
    "activity": reports.activity,
    "total_activity": reports.total_activity,
    "first_day": lambda period: reports.first_day(),
    "top_experts": reports.top_experts,
    "top_queries": reports.top_queries,
    "top_filters": reports.top_filters,
    "unmet_demand": reports.unmet_demand,
    "explore": lambda period: reports.explore(period, "card_click"),
    "properties": lambda period: reports.properties(period, "card_click"),
    "exposure": reports.exposure,
    "dead_end_values": reports.dead_end_values,
    "dead_end_combinations": reports.dead_end_combinations,
    "session_timeline": lambda period: reports.session_timeline("visitor-1"),
    "person_timeline": lambda period: reports.person_timeline("ada@example.com"),
    "funnel": lambda period: reports.funnel(period, [reports.step("card_click")]),
    "retention": reports.retention,
    "visitors": reports.visitors,
}
MARCH = reports.Period(date(2026, 3, 1), date(2026, 3, 31))
pytestmark = pytest.mark.parametrize("question", QUESTIONS)


def ask(question: str) -> object:
    return QUESTIONS[question](MARCH)


def test_without_the_blueprint_it_is_said_what_to_register(question: str, sqlite_url: str) -> None:
    app = Flask("script")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    SQLAlchemy().init_app(app)
    with app.app_context(), pytest.raises(ConfigError, match=r"app\.register_blueprint\(events_bp"):
        ask(question)


def test_without_an_app_context_it_is_said_how_to_have_one(question: str) -> None:
    with pytest.raises(RuntimeError, match=r"app\.app_context\(\)"):
        ask(question)


def test_without_a_database_it_is_said_what_to_add(question: str) -> None:
    app = Flask("script")
    app.register_blueprint(events_bp)
    with app.app_context():
        if question == "last_days":  # asks the settings alone
            assert ask(question)
            return
        with pytest.raises(DatabaseMissing, match=r"db\.init_app\(app\)"):
            ask(question)


def test_without_the_tables_the_first_one_is_named_and_how_to_make_it(
    question: str, make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url, create=False)
    with app.app_context():
        if question == "last_days":
            assert ask(question)
            return
        with pytest.raises(TableMissing) as caught:
            ask(question)
    assert str(caught.value).startswith("There is no table user_event")
    assert "db.create_all()" in str(caught.value)


def test_with_all_of_it_there_is_an_answer(
    question: str, make_host: MakeHost, sqlite_url: str
) -> None:
    """The control."""
    with make_host(sqlite_url).app_context():
        ask(question)
