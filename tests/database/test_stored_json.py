"""Payloads are written and read in the same way, whatever JSON codec the host's engine has."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.pool import StaticPool

from tcs_events import UserEvent, create_blueprint, reports
from tcs_events.dashboard import create_dashboard
from tcs_events.host import registration_of
from tests.conftest import MakeHost
from tests.support import post

PAYLOADS: dict[str, dict[str, Any]] = {
    "sage_query": {
        "query_text": "rust",
        "result_count": 3,
        "expert_ids": ["ada", "bo"],
        "filters": {"rate": 0.1, "tags": ["a"]},
    },
    "card_click": {"expert_id": "ada", "context": "grid", "score": 0.1},
    "filter_change": {"filter": "rate", "value": 0.1, "filters": {"rate": 0.1}, "result_count": 0},
}


def floats_as_text(value: Any) -> str:
    return json.dumps(json.loads(json.dumps(value), parse_float=str, parse_int=str))


CODECS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "Decimal": {"json_deserializer": lambda read: json.loads(read, parse_float=Decimal)},
    "all numbers Decimal": {
        "json_deserializer": lambda read: json.loads(read, parse_float=Decimal, parse_int=Decimal)
    },
    "left as text": {"json_deserializer": lambda read: read},
    "bytes": {"json_deserializer": lambda read: json.dumps(json.loads(read)).encode()},
    "objects of its own": {"json_deserializer": lambda read: object()},
    "it raises": {"json_deserializer": lambda read: 1 / 0},
    "written otherwise": {"json_serializer": floats_as_text},
    "written as null": {"json_serializer": lambda value: "null"},
    "writing raises": {"json_serializer": lambda value: 1 / 0},
}


def make_app(make_host: MakeHost, url: str, **options: object) -> Flask:
    if url == "sqlite://":  # the store of other databases; one connection, so one memory
        options |= {"poolclass": StaticPool}
    app = make_host(
        url, create_blueprint(keep_rejected=10), SQLALCHEMY_ENGINE_OPTIONS=options, TESTING=True
    )
    app.register_blueprint(create_dashboard(lambda: True))
    return app


def tell(app: Flask, tmp_path: Path) -> dict[str, Any]:
    """Return everything that is reported about the stored events."""
    period, said = reports.last_days(2), {}
    said["top"] = reports.top_experts(period), reports.top_queries(period)
    said["filters"] = reports.top_filters(period), reports.dead_end_values(period)
    said["combinations"] = reports.dead_end_combinations(period)
    said["gaps"] = reports.unmet_demand(period, min_sessions=1)
    said["exposure"] = reports.exposure(period, ["ada", "cy"])
    steps = [reports.step("sage_query[result_count>=3]"), reports.step("card_click[score<0.2]")]
    said["funnel"] = reports.funnel(period, steps)
    said["retention"] = reports.retention(period, "day", steps[1])
    said["timeline"] = [event.payload for event in reports.session_timeline("visitor-1")]
    run = app.test_cli_runner().invoke
    tail = run(args=["tcs-events", "tail", "--json"])
    said["tail"] = [event["payload"] for event in json.loads(tail.stdout)["rows"]]
    for form in ("ndjson", "csv"):
        file = tmp_path / f"events.{form}"
        done = run(args=["tcs-events", "export", str(file), "--force"])
        assert done.exit_code == 0, done.output
        said[form] = "0.1" in file.read_text() and '"0.1"' not in file.read_text()
    held = tmp_path / "held.json"
    done = run(args=["tcs-events", "export-subject", "--session", "visitor-1", "-o", str(held)])
    assert done.exit_code == 0, done.output
    held_json = json.loads(held.read_text())
    held.unlink()
    said["held"] = [event["payload"] for event in held_json["events"]]
    said["held refused"] = [refused["errors"] for refused in held_json["rejections"]]
    refused = run(args=["tcs-events", "rejected", "--json"])
    said["refused"] = [row["errors"] for row in json.loads(refused.stdout)["rows"]]
    client = app.test_client()
    for page in ("", "activity", "top", "gaps", "exposure", "dead-ends", "retention"):
        assert client.get(f"/insights/{page}").status_code == 200, page
    step = quote("card_click[score<0.2]")
    assert client.get(f"/insights/funnel?step=sage_query&step={step}").status_code == 200
    timeline = client.get("/insights/timeline?session=visitor-1")
    assert timeline.status_code == 200
    said["page"] = "0.1" in timeline.text
    return said


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("url", ["sqlite_url", "postgres_url", "mariadb_url", "memory"])
def test_what_was_sent_is_stored_and_read(
    make_host: MakeHost, request: pytest.FixtureRequest, name: str, url: str, tmp_path: Path
) -> None:
    urls = ["sqlite://"] * 2 if url == "memory" else [request.getfixturevalue(url)] * 2
    told = []
    for options in ({}, CODECS[name]):
        app = make_app(make_host, urls[0], **options)
        with app.app_context():
            for event_type, payload in PAYLOADS.items():
                answer = post(app, event_type=event_type, payload=payload)
                assert answer.status_code == 202, answer.text
            assert post(app, event_type="nobody knows").status_code == 422
            registration_of(app).refresher.refresh(rebuild=True)
            told.append(tell(app, tmp_path))
            with registration_of(app).database.engine.begin() as connection:
                for table in ("user_events", "user_event_rejections"):
                    connection.execute(text(f"DELETE FROM {table}"))
    plain, other = told
    assert plain["timeline"] == list(PAYLOADS.values())
    assert other == plain


def test_the_host_reads_its_own_way(make_host: MakeHost, database_url: str) -> None:
    """The host's own queries use the codec of its engine, as for its other tables."""
    app = make_app(make_host, database_url, **CODECS["Decimal"])
    post(app, payload=PAYLOADS["card_click"])
    with app.app_context():
        assert type(UserEvent.query.one().payload["score"]) is Decimal


@pytest.mark.parametrize("stored", ["[1, 2]", '"text"', "null", "7", "{}", '{"expert_id": [7]}'])
def test_what_a_host_has_stored_itself_stops_no_report(
    make_host: MakeHost, database_url: str, stored: str
) -> None:
    app = make_app(make_host, database_url)
    with app.app_context():
        post(app, payload=PAYLOADS["card_click"])
        with registration_of(app).database.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE user_events SET payload = '{stored}'")
        post(app, payload=PAYLOADS["card_click"])
        period = reports.last_days(2)
        assert [row.clicks for row in reports.top_experts(period)] == [1]
        steps = [reports.step("card_click[score<1]")]
        assert [row.sessions for row in reports.funnel(period, steps)] == [1]
        assert len(reports.session_timeline("visitor-1")) == 2
