"""Types and fields that do not exist are named where somebody asks for them, and not answered 0."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from tcs_events import reports
from tcs_events.dashboard import create_dashboard
from tcs_events.errors import UnknownEventType
from tcs_events.reports import step
from tests.cli.asking import run
from tests.conftest import MakeHost
from tests.support import post

MISSPELT = [
    ("sagequery", "sage_query"),
    ("Sage_Query", "sage_query"),
    ("card_clik", "card_click"),
    ("cardClick", "card_click"),
]


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    app = make_host(database_url)
    app.register_blueprint(create_dashboard(access=lambda: True))
    assert post(app).status_code == 202
    return app


def funnel(host: Flask, *texts: str) -> Any:
    with host.app_context():
        return reports.funnel(reports.last_days(2), [step(text) for text in texts])


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_a_misspelt_type_is_an_error_that_says_what_was_meant(
    host: Flask, name: str, meant: str
) -> None:
    message = f"There is no event of type {name}; did you mean {meant}?"
    for texts in ([name], [meant, name], [f"{name}[x=1]", meant]):
        with pytest.raises(ValueError, match="There is no event") as error:
            funnel(host, *texts)
        assert str(error.value) == message
    for text in (name, f"{name}[context=grid]"):
        with host.app_context(), pytest.raises(UnknownEventType) as error:
            reports.retention(reports.last_days(14), "day", step(text))
        assert str(error.value) == message


def test_visitors_of_a_type_that_there_is_not_are_an_error_too(host: Flask) -> None:
    with host.app_context(), pytest.raises(UnknownEventType, match="did you mean card_click"):
        reports.visitors(reports.last_days(2), "card_clik")


def test_one_that_is_like_none_is_named_alone(host: Flask) -> None:
    with pytest.raises(UnknownEventType, match=r"There is no event of type x\.$"):
        funnel(host, "x")


def test_a_type_that_is_accepted_and_was_never_sent_is_noted(host: Flask) -> None:
    rows = funnel(host, "card_click", "sage_query")
    assert [row.sessions for row in rows] == [1, 0]
    assert rows.notices == ["No event of type sage_query is stored yet."]


def test_a_field_that_no_event_has_is_noted(host: Flask) -> None:
    rows = funnel(host, "card_click[contxt=grid, expert_id=ada]")
    assert [row.sessions for row in rows] == [0]
    assert rows.notices == ["No card_click event has a property contxt; did you mean context?"]
    with host.app_context():
        cohorts = reports.retention(reports.last_days(14), "day", step("card_click[x!=1]"))
    assert cohorts.notices == ["No card_click event has a property x."]
    assert funnel(host, "card_click[context=nowhere]").notices == []


def test_a_type_that_is_only_stored_is_known(make_host: MakeHost, database_url: str) -> None:
    assert post(make_host(database_url)).status_code == 202
    later = make_host(database_url, create=False, TCS_EVENTS_EVENT_TYPES=["room_opened"])
    assert [row.sessions for row in funnel(later, "card_click")] == [1]


@pytest.mark.parametrize("command", [["funnel"], ["retention", "--returning"]])
def test_the_command_ends_with_2_and_notes_on_stderr(host: Flask, command: list[str]) -> None:
    wrong = run(host, *command, "cardclick")
    assert wrong.exit_code == 2
    assert "There is no event of type cardclick; did you mean card_click?" in wrong.stderr
    noted = run(host, *command, "card_click[contxt=grid]", "--json")
    assert noted.exit_code == 0
    assert json.loads(noted.stdout)["period"] is not None
    assert "No card_click event has a property contxt; did you mean context?" in noted.stderr


@pytest.mark.parametrize("page", ["funnel?step=", "retention?returning="])
def test_the_dashboard_says_so(host: Flask, page: str) -> None:
    client = host.test_client()
    for address in (f"/insights/{page}", f"/insights/api/{page.replace('?', '.json?')}"):
        wrong = client.get(f"{address}cardclick")
        assert wrong.status_code == 400
        assert "did you mean card_click?" in wrong.text
        noted = client.get(f"{address}card_click[contxt=grid]")
        assert noted.status_code == 200
        assert "No card_click event has a property contxt; did you mean context?" in noted.text


def test_the_page_of_a_host_with_types_of_its_own_does_not_fail(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url, TCS_EVENTS_EVENT_TYPES=["room_opened"])
    app.register_blueprint(create_dashboard(access=lambda: True))
    page = app.test_client().get("/insights/funnel")
    assert page.status_code == 200
    assert "room_opened" in page.text
    assert "sage_query" not in page.text
