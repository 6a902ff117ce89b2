"""A role of PostgreSQL with no more rights than storing an event takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, make_url
from structlog.testing import capture_logs

from tests.conftest import MakeHost
from tests.databases import execute_in
from tests.drivers import POSTGRES_DRIVERS, with_driver
from tests.pages import page
from tests.support import URL, card_click, need_module, post

ROLE = "tcs_events_writer"
RIGHTS = {
    "schema": "USAGE ON SCHEMA app",
    "insert": "INSERT ON app.user_events",
    "ids": "SELECT (event_id) ON app.user_events",
    "sequence": "USAGE ON SEQUENCE app.user_events_id_seq",
}


@pytest.fixture(params=POSTGRES_DRIVERS)
def writer(
    request: pytest.FixtureRequest, make_host: MakeHost, postgres_url: str
) -> Iterator[Flask]:
    """An app whose role has just the rights that the documents name."""
    need_module(request.param)
    db = SQLAlchemy(metadata=MetaData(schema="app"))
    execute_in(
        postgres_url,
        f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
        "CREATE SCHEMA app",
    )
    make_host(postgres_url, db=db)
    grants = page("guides/databases").block("sql", "GRANT")
    execute_in(postgres_url, grants.replace("shop", "app").replace("TO web", f"TO {ROLE}"))
    url = make_url(with_driver(postgres_url, request.param)).set(username=ROLE)
    yield make_host(url.render_as_string(False), db=db, create=False)
    execute_in(postgres_url, "DROP SCHEMA app CASCADE")


def test_these_rights_are_enough_to_store_and_to_be_healthy(
    writer: Flask, postgres_url: str
) -> None:
    client = writer.test_client()
    events = [card_click(event_id=str(uuid4())) for _ in range(20)]
    for _ in range(2):  # the second time, each is a duplicate
        assert client.post(f"{URL}/batch", json={"events": events}).status_code == 202
        more = [card_click(session_id=f"visitor-{n}") for n in range(20)]
        assert client.post(f"{URL}/batch", json={"events": more}).json["accepted"] == 20
    identity = {"session_id": "visitor-1", "email": "ada@example.com"}
    assert client.post(f"{URL}/identify", json=identity).status_code == 202
    with writer.app_context():
        registration = writer.extensions["tcs_events"]
        registration.tally.write_now(registration.database.engine, 10)
        assert not registration.tally.is_failing
        assert registration.health.problems() == []
    assert execute_in(postgres_url, "SELECT count(*) FROM app.user_events") == [(60,)]


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_that_is_missing_is_named_as_a_grant_that_helps(
    writer: Flask, postgres_url: str, right: str
) -> None:
    grant = f"GRANT {RIGHTS[right]} TO {ROLE}"
    execute_in(postgres_url, f"REVOKE {RIGHTS[right]} FROM {ROLE}")
    with capture_logs() as logs:
        assert post(writer).status_code == 503
    said = [line["remedy"] for line in logs if line["event"] == "tcs_events.store_unavailable"]
    assert said == [f"as the owner, run `{grant}`"]
    with writer.app_context():
        problems = writer.extensions["tcs_events"].health.problems()
    assert f"as the owner, run `{grant}`" in {problem.remedy for problem in problems}
    with capture_logs():
        result = writer.test_cli_runner().invoke(args=["tcs-events", "doctor", "--json"])
    findings = json.loads(result.stdout)["findings"]
    wrong = [finding["remedy"] for finding in findings if finding["level"] == "wrong"]
    assert any(grant in remedy for remedy in wrong), findings
    execute_in(postgres_url, grant)
    assert post(writer).status_code == 202
