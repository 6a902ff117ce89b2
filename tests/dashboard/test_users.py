"""The timeline of the dashboard can be asked by the id of a logged-in user."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tcs_events.dashboard import create_dashboard
from tests.cli.asking import click, save
from tests.conftest import MakeHost
from tests.rights.tables import user_link


@pytest.fixture
def client(make_host: MakeHost, sqlite_url: str) -> FlaskClient:
    host = make_host(sqlite_url, TCS_EVENTS_IDENTIFY_USER="by_hand")
    host.register_blueprint(create_dashboard(lambda: True))
    save(host, *(click(session=name) for name in ("phone", "laptop", "of another")))
    save(host, user_link("42", "phone"), user_link("42", "laptop"), user_link("4", "of another"))
    return host.test_client()


def test_the_page_shows_all_sessions_of_a_user(client: FlaskClient) -> None:
    said = client.get("/insights/timeline?user=42").text
    assert "2 events in 2 sessions" in said
    assert "The visitor was known from the first of them on." in said
    assert "session phone" in said
    assert "of another" not in said
    assert '<input name="user" maxlength="255" value="42"' in said
    assert (
        "No events are stored for this user." in client.get("/insights/timeline?user=nobody").text
    )


def test_its_tables_and_files_keep_the_user(client: FlaskClient) -> None:
    said = client.get("/insights/timeline?user=42").text
    assert re.search(r'href="/insights/tables/timeline\?[^"]*user=42"', said)
    rows = client.get("/insights/csv/timeline.csv?user=42").text
    assert ("phone" in rows, "laptop" in rows, "of another" in rows) == (True, True, False)
    answer = client.get("/insights/api/timeline.json?user=42").json
    assert answer is not None
    assert len(answer["answer"]["timeline"]) == 2


def test_only_one_of_them_may_be_given(client: FlaskClient) -> None:
    for other in ("session=phone", "email=ada@example.com"):
        answer = client.get(f"/insights/timeline?user=42&{other}")
        assert answer.status_code == 400
        assert "only one of them" in answer.text


def test_a_host_without_user_ids_is_not_asked_for_one(make_host: MakeHost, sqlite_url: str) -> None:
    host = make_host(sqlite_url)
    host.register_blueprint(create_dashboard(lambda: True))
    assert 'name="user"' not in host.test_client().get("/insights/timeline").text
