"""Payloads that only the host's own code or an old version can have stored break nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from tcs_events import DEFAULT_EVENT_TYPES, EventType, UserEvent, create_blueprint, reports
from tcs_events.dashboard import create_dashboard
from tcs_events.host import registration_of
from tests.cli.asking import run, save
from tests.conftest import MakeHost
from tests.dashboard.addresses import addresses
from tests.dashboard.conftest import WholeAnswers
from tests.dashboard.visitors import noon_today
from tests.support import kind_of, plain

DEEP = '{"a": ' * 400 + "1" + "}" * 400
VALUES = {
    "nan": "NaN",
    "infinity": "[Infinity, -Infinity]",
    "huge": "1e999",
    "long": "9" * 5000,
    "deep list": "[" * 400 + "]" * 400,
    "deep object": DEEP,
    "surrogate": '"\\ud800"',
    "pair": '"\\udc00\\ud83d"',
    "nul": '"a\\u0000b"',
}
NAMES = {"surrogate name": '"\\ud800"', "nul name": '"\\u0000"'}
WHOLE = {"null": "null", "list": "[1]", "text": '"a"', "number": "7", "nan alone": "NaN"}
FIELDS = ("query_text", "result_count", "expert_ids", "filters", "expert_id", "context", "value")
ODD = {
    **{
        name: "{" + ", ".join(f'"{field}": {value}' for field in (*FIELDS, "filter")) + "}"
        for name, value in VALUES.items()
    },
    **{name: f'{{{key}: 1, "filters": {{{key}: 2}}}}' for name, key in NAMES.items()},
    **WHOLE,
    "beyond json": "{not json",
}
"""The JSON texts of payloads. No database takes all of them."""
REFUSED = {
    "sqlite": set[str](),
    "postgresql": {"nan", "infinity", "nan alone", "beyond json"}
    | {"surrogate", "pair", "nul", "surrogate name", "nul name"},
    "mariadb": {"nan", "infinity", "nan alone", "beyond json"}
    | {"surrogate", "pair", "surrogate name", "deep list", "deep object"},
}
"""Those that a database may refuse itself."""
TYPES = ("sage_query", "card_click", "filter_change", "odd")


class Odd(Schema):
    value = fields.Float()
    filters = fields.Dict()
    query_text = fields.String()


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    blueprint = create_blueprint(event_types=[*DEFAULT_EVENT_TYPES, EventType("odd", Odd)])
    app = make_host(database_url, blueprint, TCS_EVENTS_MIN_SESSIONS=1)
    app.register_blueprint(create_dashboard(lambda: True))
    app.test_client_class = WholeAnswers
    return app


@pytest.fixture
def stored(host: Flask) -> list[str]:
    """Store each payload as an event of each type; return the names of those that are stored."""
    at, names = noon_today(), []
    for name, payload in ODD.items():
        rows = [
            UserEvent(session_id=name, event_type=each, payload={}, email="odd@example.com")
            for each in TYPES
        ]
        for row in rows:
            row.created_at = row.received_at = at
        save(host, *rows)
        with host.app_context():
            engine = registration_of(host).database.engine
        with engine.connect() as connection:
            cast = "CAST(:payload AS JSONB)" if engine.name == "postgresql" else ":payload"
            try:
                connection.execute(
                    text(f"UPDATE user_events SET payload = {cast} WHERE session_id = :name"),
                    {"payload": payload, "name": name},
                )
                connection.commit()
                names.append(name)
            except DBAPIError:
                connection.rollback()
    return names


def test_each_database_has_stored_what_it_takes(host: Flask, stored: list[str]) -> None:
    kind = kind_of(host.config["SQLALCHEMY_DATABASE_URI"])
    assert set(ODD) - set(stored) <= REFUSED[kind]


def strictly(answer: str) -> Any:
    return json.loads(answer, parse_constant=pytest.fail)


COMMANDS = [
    ["timeline", "--email", "odd@example.com", "--limit", "500"],
    ["digest"],
    ["gaps"],
    ["top"],
    ["exposure"],
    ["dead-ends"],
    ["stats"],
    ["funnel", "odd[value=1]", "card_click[context=1]"],
    ["funnel", "odd", "card_click", "--within", "7d", "--break-down", "value"],
    ["explore", "odd", "--by", "value"],
    ["explore", "odd", "--by", "filters"],
    ["explore", "sage_query", "--by", "filters.a"],
    ["paths", "odd", "--where", "value!=1"],
    ["retention", "--returning", "odd[value!=1]"],
    ["live"],
    ["tail", "--with-email"],
]


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_answers(host: Flask, command: list[str]) -> None:
    for options in ([], ["--json"]):
        result = run(host, *command, *options)
        assert result.exit_code == 0, (result.output, result.exception)
    if command[0] != "tail":
        strictly(result.stdout)


@pytest.mark.usefixtures("stored")
def test_every_page_answers(host: Flask) -> None:
    client = host.test_client()
    asked = [(address, {}) for address in addresses(host)]
    asked += [("/insights/timeline", {"email": "odd@example.com"})]
    asked += [("/insights/api/timeline.json", {"email": "odd@example.com"})]
    for by in FIELDS:
        for event_type in TYPES:
            asked += [("/insights/explore", {"type": event_type, "by": by})]
    asked += [("/insights/paths", {"type": "odd", "where": "value!=1"})]
    asked += [("/insights/retention", {"type": "odd", "where": "value!=1"})]
    asked += [("/insights/funnel", {"step": "odd", "within": "7d", "break_down": "value"})]
    for address, query in asked:
        answer = client.get(address, query_string=query)
        is_there = "/no-such" not in address
        assert answer.status_code == (200 if is_there else 404), (address, query)
        if answer.mimetype == "application/json":
            strictly(answer.text)


def test_python_answers(host: Flask, stored: list[str]) -> None:
    with host.app_context():
        timeline = reports.person_timeline("odd@example.com", limit=500)
        assert len(timeline) == len(ODD) * len(TYPES)
        plain(timeline)
        today = reports.last_days(1)
        assert reports.paths(today, "odd").visits == len(ODD)
        for name in stored:
            plain(reports.session_timeline(name))


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("options", [[], ["--html"], ["--json"]])
def test_a_digest_is_written(host: Flask, options: list[str]) -> None:
    result = run(host, "digest", *options)
    assert result.exit_code == 0, result.output
    result.stdout.encode()


@pytest.mark.usefixtures("stored")
def test_views_can_be_read(host: Flask) -> None:
    assert run(host, "views").exit_code == 0
    with host.app_context(), registration_of(host).database.engine.connect() as connection:
        for name in TYPES:
            view = f"events_{name}"
            columns = [column["name"] for column in inspect(connection).get_columns(view)]
            # The payload itself is read by each driver as it can.
            listed = ", ".join(column for column in columns if column != "payload")
            rows = connection.execute(text(f"SELECT {listed} FROM {view}")).all()
            assert len(rows) == len(ODD)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("format_name", ["ndjson", "csv"])
def test_an_export_can_be_imported(
    host: Flask, make_host: MakeHost, tmp_path: Path, format_name: str
) -> None:
    """What the endpoint would refuse is refused row by row, and the rest is stored."""
    path = tmp_path / f"events.{format_name}"
    exported = run(host, "export", str(path))
    assert exported.exit_code == 0, (exported.output, exported.exception)
    other = make_host(f"sqlite:///{tmp_path}/other.db", TCS_EVENTS_EVENT_TYPES=[*TYPES])
    result = run(other, "import", str(path), "--json")
    assert result.exit_code in (0, 3), (result.output, result.exception)
    counts = json.loads(result.stdout)
    assert counts["rows"] == len(ODD) * len(TYPES)
    assert counts["complete"]
