"""What is the same is counted together, and what is listed comes in the same order everywhere."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from sqlalchemy import text

from tcs_events import create_blueprint, reports
from tests.cli.asking import ask
from tests.conftest import MakeHost
from tests.support import card_click, post


def set_filters(app: Flask, session_id: str, value: object, **filters: object) -> None:
    payload = {"filter": "tags", "value": value, "filters": filters, "result_count": 0}
    answer = post(app, event_type="filter_change", session_id=session_id, payload=payload)
    assert answer.status_code == 202


def test_filters_set_in_another_order_are_the_same(make_host: MakeHost, database_url: str) -> None:
    app = make_host(database_url)
    set_filters(app, "visitor-1", ["b", "a"], tags=["b", "a"], rate=[100, 20, 3])
    set_filters(app, "visitor-2", ["a", "b"], rate=[3, 20, 100], tags=["a", "b"])
    with app.app_context():
        period = reports.last_days(2)
        [combination] = reports.dead_end_combinations(period)
        assert combination.value == {"rate": [3, 20, 100], "tags": ["a", "b"]}
        assert (combination.dead, combination.sessions) == (2, 2)
        [value] = reports.dead_end_values(period)
        assert (value.value, value.sessions) == (["a", "b"], 2)
        [used] = reports.top_filters(period)
        assert (used.value, used.sessions) == (["a", "b"], 2)


def test_other_filters_are_others(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    for number, tags in enumerate((["a"], ["a", "a"], ["a", ["a"]], [["a"], "a"], [1], ["1"])):
        set_filters(app, f"visitor-{number}", "a", tags=tags)
    with app.app_context():
        assert len(reports.dead_end_combinations(reports.last_days(2))) == 6


NAMES = ["Zoe", "a-b", "ab", "B", "a", "Ä", "a b", "_", "\N{GRINNING FACE}", "\uff21"]
"""A dictionary has them in another order than a computer."""
ORDERED = {
    "user_event_daily_activity": ("event_type",),
    "user_event_daily_uses": ("name", "detail", "sample"),
    "user_event_daily_demand": ("query", "sample"),
    "user_events": ("event_type",),
}


@pytest.fixture
def sorted_host(make_host: MakeHost, database_url: str) -> Flask:
    """A host whose database orders texts as a dictionary does, where it can."""
    app = make_host(
        database_url, create_blueprint(event_types=["card_click", "sage_query", "filter_change"])
    )
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                for table, columns in ORDERED.items():
                    for column in columns:
                        connection.execute(
                            text(
                                f"ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar(200)"
                                ' COLLATE "en-x-icu"'
                            )
                        )
                found = connection.scalars(
                    text("SELECT x FROM (VALUES ('B'), ('a')) t(x) ORDER BY x COLLATE \"en-x-icu\"")
                )
                assert list(found) == ["a", "B"]  # so that it would show
    return app


def test_equal_counts_come_in_the_same_order_everywhere(sorted_host: Flask) -> None:
    for name in NAMES:
        tags = {"filter": "tags", "value": name, "filters": {"tags": name}, "result_count": 0}
        send = [
            card_click(session_id="one", payload={"expert_id": name, "context": "grid"}),
            card_click(session_id="two", payload={"expert_id": "zed", "context": name}),
            card_click(
                session_id="one",
                event_type="sage_query",
                payload={"query_text": name, "result_count": 0},
            ),
            card_click(
                session_id="one",
                event_type="filter_change",
                payload=tags,
            ),
        ]
        answer = sorted_host.test_client().post("/api/events/batch", json={"events": send})
        assert answer.json == {"accepted": 4, "duplicates": 0, "rejected": []}
    in_order = sorted(NAMES)
    as_json = sorted(json.dumps(name, ensure_ascii=False) for name in NAMES)
    with sorted_host.app_context():
        period = reports.last_days(2)
        experts = reports.top_experts(period)
        assert [one.expert_id for one in experts] == sorted([*NAMES, "zed"])
        [contexts] = [one.by_context for one in experts if one.expert_id == "zed"]
        assert list(contexts) == in_order
        queries = [one.query for one in reports.top_queries(period)]
        assert queries == sorted(queries)
        assert [one.sample for one in reports.top_queries(period) if one.query == "a"] == ["a"]
        gaps = [one.query for one in reports.unmet_demand(period, min_sessions=1)]
        assert gaps == queries
        assert [one.value for one in reports.top_filters(period)] == list(map(json.loads, as_json))
        values = [one.value for one in reports.dead_end_values(period)]
        assert values == list(map(json.loads, as_json))
        combinations = [one.value["tags"] for one in reports.dead_end_combinations(period)]
        assert combinations == list(map(json.loads, as_json))
        assert [one.expert_id for one in reports.top_experts(period, 3)] == in_order[:3]


def test_the_sample_of_a_query_is_the_same_everywhere(sorted_host: Flask) -> None:
    # On one day it is chosen while counting; of several days, by the database.
    for age, typed in ((0, "Rust"), (2 * 86_400_000, "rust")):
        post(
            sorted_host,
            event_type="sage_query",
            age_ms=age,
            payload={"query_text": typed, "result_count": 0},
        )
    with sorted_host.app_context():
        period = reports.last_days(5)
        assert [one.sample for one in reports.top_queries(period)] == ["Rust"]
        assert [one.sample for one in reports.unmet_demand(period, min_sessions=1)] == ["Rust"]


def test_types_and_hours_come_in_the_same_order_everywhere(sorted_host: Flask) -> None:
    events = sorted_host.extensions["tcs_events"]
    with sorted_host.app_context():
        post(sorted_host)
        for event_type in ("b_old", "B_old"):
            with events.database.engine.begin() as connection:
                connection.execute(
                    text(
                        "INSERT INTO user_events (event_id, session_id, event_type, payload,"
                        " created_at, received_at) SELECT :id, session_id, :type, payload,"
                        " created_at, received_at FROM user_events LIMIT 1"
                    ),
                    {"id": event_type.encode().hex().zfill(32), "type": event_type},
                )
        hours = [row.event_type for row in reports.activity(reports.last_days(2), "hour")]
    assert hours == ["", "B_old", "b_old", "card_click"]
    types = [row["event_type"] for row in ask(sorted_host, "types")["rows"]]
    assert types[-2:] == ["B_old", "b_old"]
