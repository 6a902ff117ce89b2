"""Nobody reads anything whom the host has not let in."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, abort, redirect
from flask_sqlalchemy import SQLAlchemy
from werkzeug.exceptions import NotFound

from tcs_events import ConfigError
from tcs_events.dashboard import create_dashboard
from tests.conftest import MakeHost
from tests.dashboard.addresses import addresses
from tests.dashboard.conftest import Dashboard

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.mark.parametrize("refusal", [False, None, 0, "", []])
def test_every_route_refuses_alike_whoever_is_not_let_in(small: Dashboard, refusal: object) -> None:
    client = small(lambda: refusal)
    every = addresses(client.application)
    assert len(every) > 40
    answers = {
        (answer.status_code, answer.data)
        for address in [*every, "/insights"]
        for method in METHODS
        if method != "HEAD"
        for answer in [client.open(address, method=method)]
    }
    assert [status for status, _ in answers] == [403]
    assert {client.head(address).status_code for address in every} == {403}


def test_a_refusal_is_kept_by_nobody(small: Dashboard) -> None:
    answer = small(lambda: False).get("/insights/gaps")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_rule_is_asked_once_for_every_request(small: Dashboard) -> None:
    asked: list[str] = []

    def access() -> bool:
        from flask import request

        asked.append(request.path)
        return True

    client = small(access)
    every = addresses(client.application)
    for address in every:
        client.get(address)
    assert asked == every


def test_a_response_of_the_rule_is_given_as_it_is(small: Dashboard) -> None:
    client = small(lambda: redirect("/login"))
    for address in addresses(client.application):
        answer = client.get(address)
        assert (answer.status_code, answer.location) == (302, "/login")
        assert "Content-Security-Policy" not in answer.headers


@pytest.mark.parametrize("status", [401, 404, 418])
def test_an_exception_of_the_rule_is_the_hosts_to_answer(small: Dashboard, status: int) -> None:
    client = small(lambda: abort(status))
    client.application.register_error_handler(status, lambda error: (f"host {error.code}", status))
    for address in addresses(client.application):
        answer = client.get(address)
        assert (answer.status_code, answer.data) == (status, f"host {status}".encode())


def test_what_breaks_in_the_rule_lets_nobody_in(small: Dashboard) -> None:
    client = small(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert client.get("/insights/").status_code == 500


@pytest.mark.parametrize("verdict", [1, "yes", object(), [False]])
def test_a_truthy_thing_is_no_permission(small: Dashboard, verdict: object) -> None:
    client = small(lambda: verdict)
    client.application.testing = True
    with pytest.raises(ConfigError, match=r"Write `return bool\(...\)`"):
        client.get("/insights/")
    client.application.testing = False
    assert client.get("/insights/").status_code == 500


def test_a_coroutine_is_no_permission(small: Dashboard) -> None:
    async def access() -> bool:
        return False

    client = small(lambda: access())
    assert client.get("/insights/").status_code == 500


@pytest.mark.parametrize("access", [None, True, "admin"])
def test_without_a_rule_there_is_no_dashboard(access: Any) -> None:
    with pytest.raises(ConfigError, match=r"create_dashboard\(access=lambda: "):
        create_dashboard(access)


def test_a_dashboard_without_events_says_what_to_register() -> None:
    app = Flask("host")
    app.register_blueprint(create_dashboard(lambda: True))
    app.testing = True
    with pytest.raises(ConfigError, match="from tcs_events import events_bp"):
        app.test_client().get("/insights/")


@pytest.mark.parametrize("prefix", ["/", ""])
def test_a_dashboard_does_not_take_over_the_host(prefix: str) -> None:
    with pytest.raises(ConfigError, match="url_prefix='/insights'"):
        Flask("host").register_blueprint(create_dashboard(lambda: True, url_prefix=prefix))


@pytest.mark.parametrize("catalogue", ["ada", 5])
def test_a_catalogue_is_ids_or_a_query_for_them(catalogue: Any) -> None:
    with pytest.raises(ConfigError, match=r"catalogue=select\(Room.id\)"):
        create_dashboard(lambda: True, catalogue=catalogue)


def test_the_host_says_where_it_is_and_may_have_two(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, db=SQLAlchemy())
    app.register_blueprint(create_dashboard(lambda: True), url_prefix="/admin/events")
    app.register_blueprint(create_dashboard(lambda: False, name="other"), url_prefix="/other")
    answer = app.test_client().get("/admin/events")
    assert answer.status_code == 200
    assert 'href="/admin/events/gaps?days=30"' in answer.text
    assert app.test_client().get("/other").status_code == 403


def test_pages_forbid_what_they_do_not_need(small: Dashboard) -> None:
    client = small(lambda: True)
    for address in addresses(client.application):
        headers = client.get(address).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self';"
            " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        is_file = "/static/" in address
        assert headers["Cache-Control"] == ("private, no-cache" if is_file else "no-store")


def test_nothing_can_be_changed(small: Dashboard) -> None:
    client = small(lambda: True)
    for address in addresses(client.application):
        if "/static/" not in address:
            assert client.post(address).status_code == 405, address


def test_the_hosts_own_missing_pages_are_its_own(small: Dashboard) -> None:
    client = small(lambda: True)

    def own(error: NotFound) -> Response:
        return Response("the host's", 404)

    client.application.register_error_handler(404, own)
    assert client.get("/elsewhere").text == "the host's"
    assert "There is no such page" in client.get("/insights/elsewhere").text


def test_one_request_lets_no_other_in(small: Dashboard) -> None:
    verdicts = iter([True, False])
    client = small(lambda: next(verdicts))
    with client.application.app_context():
        assert client.get("/insights/").status_code == 200
        refused = client.get("/insights/")
    assert refused.status_code == 403
    assert "Content-Security-Policy" not in refused.headers
