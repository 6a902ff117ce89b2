"""The host's own Python says whose a session is."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from structlog.testing import capture_logs

from tcs_events import ConfigError, EventInvalid, StoreUnavailable, identify
from tcs_events.watch.log_lines import log_lines
from tests.conftest import MakeHost
from tests.faces.test_identify import links
from tests.rights.tables import user_links

ADA = "ada@example.com"
SESSION = "visitor-1"


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    return make_host(database_url, TCS_EVENTS_IDENTIFY_USER="by_hand", TESTING=True)


@pytest.fixture
def sqlite_host(make_host: MakeHost, sqlite_url: str) -> Flask:
    return make_host(sqlite_url, TCS_EVENTS_IDENTIFY_USER="by_hand", TESTING=True)


def counted(app: Flask) -> dict[tuple[str, str], int]:
    found = app.extensions["tcs_events"].counters.counted().identities
    return {(str(outcome), reason): number for (outcome, reason), number in found.items()}


def notes(app: Flask) -> dict[str, int]:
    found: dict[str, int] = app.extensions["tcs_events"].counters.counted().notes
    return found


def test_an_address_is_linked_as_by_the_endpoint(host: Flask) -> None:
    with host.app_context():
        assert identify(SESSION, ADA)
        assert identify(SESSION, ADA)
        assert identify(SESSION, "bo@example.com")
    assert links(host) == [(SESSION, ADA), (SESSION, "bo@example.com")]
    assert user_links(host) == set()
    assert counted(host) == {("accepted", ""): 2, ("duplicate", ""): 1}


def test_a_user_id_is_linked_once(host: Flask) -> None:
    with host.app_context():
        assert identify(SESSION, user_id=42)
        assert identify(SESSION, user_id="42")
        assert identify("visitor-2", user_id="42")
    assert user_links(host) == {(SESSION, "42", None), ("visitor-2", "42", None)}
    assert links(host) == []


def test_an_address_and_a_user_id_are_stored_as_one_person(host: Flask) -> None:
    with host.app_context():
        assert identify(SESSION, user_id=42)
        assert identify(SESSION, ADA, user_id=42)
        assert identify(SESSION, ADA, user_id=42)
    assert user_links(host) == {(SESSION, "42", None), (SESSION, "42", ADA)}
    assert links(host) == [(SESSION, ADA)]


def test_the_first_user_of_a_session_stands(host: Flask) -> None:
    with host.app_context(), capture_logs() as logs:
        assert identify(SESSION, user_id=42)
        assert not identify(SESSION, "bo@example.com", user_id=66)
    assert (user_links(host), links(host)) == ({(SESSION, "42", None)}, [])
    assert counted(host) == {("accepted", ""): 1, ("invalid", "another_user"): 1}
    assert notes(host) == {"sessions_of_another_user": 1}
    [line] = [line for line in logs if line["event"] == "tcs_events.session_of_another_user"]
    assert (line["log_level"], line["remedy"].split(" in ")[0]) == (
        "warning",
        "call tcsEvents.reset()",
    )
    assert not {"42", "66", SESSION, "bo@example.com"} & {str(value) for value in line.values()}


def test_of_two_users_at_once_one_stands(host: Flask) -> None:
    def claim(user_id: int) -> None:
        with host.app_context():
            identify(SESSION, user_id=user_id)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(user_links(host)) == 1
    assert counted(host) == {("accepted", ""): 1, ("invalid", "another_user"): 5}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"session_id": SESSION}, "email"),
        ({"session_id": SESSION, "email": "no address"}, "email"),
        ({"session_id": SESSION, "user_id": ""}, "user_id"),
        ({"session_id": SESSION, "user_id": "a\nb"}, "user_id"),
        ({"session_id": SESSION, "user_id": "4\0"}, "user_id"),
        ({"session_id": SESSION, "user_id": "\ud800"}, "user_id"),
        ({"session_id": SESSION, "user_id": "x" * 256}, "user_id"),
        ({"session_id": "x" * 65, "user_id": "42"}, "session_id"),
        ({"session_id": 7, "user_id": "42"}, "session_id"),
        ({"user_id": "42"}, "session_id"),
    ],
)
def test_what_is_not_allowed_is_refused_by_its_field(
    sqlite_host: Flask, given: dict[str, Any], field: str
) -> None:
    with sqlite_host.app_context(), pytest.raises(EventInvalid) as refusal:
        identify(**given)
    assert list(refusal.value.errors) == [field]
    assert counted(sqlite_host) == {("invalid", field): 1}
    sqlite_host.testing = False
    with sqlite_host.app_context(), capture_logs() as logs:
        assert identify(**given) is False
    assert [line["event"] for line in logs] == ["tcs_events.event_invalid"]


def test_the_longest_of_all_is_stored(host: Flask) -> None:
    longest = "ü" * 255
    with host.app_context():
        assert identify("x" * 64, f"{'b' * 64}@{'c' * 60}.example", user_id=longest)
    assert {row[1] for row in user_links(host)} == {longest}


class TestInARequest:
    def test_the_session_is_the_visitors(self, sqlite_host: Flask) -> None:
        with sqlite_host.test_request_context(headers={"X-TCS-Session-ID": SESSION}):
            assert identify(user_id=42)
        with sqlite_host.test_request_context(headers={"Cookie": "tcs_session_id=other"}):
            assert identify(user_id=42)
        assert {row[0] for row in user_links(sqlite_host)} == {SESSION, "other"}

    def test_without_a_session_nobody_is_linked(self, sqlite_host: Flask) -> None:
        with sqlite_host.test_request_context():
            assert not identify(user_id=42)
        assert user_links(sqlite_host) == set()
        assert counted(sqlite_host) == {("opted_out", "no_session"): 1}

    @pytest.mark.parametrize(
        ("header", "is_linked"), [({"Sec-GPC": "1"}, False), ({"DNT": "1"}, True)]
    )
    def test_a_visitor_who_has_opted_out_is_not_linked(
        self, sqlite_host: Flask, header: dict[str, str], is_linked: bool
    ) -> None:
        headers = {"X-TCS-Session-ID": SESSION, **header}
        with sqlite_host.test_request_context(headers=headers):
            assert identify(user_id=42) is is_linked
        assert bool(user_links(sqlite_host)) is is_linked


class TestWhatIsMissing:
    def test_an_app_context(self) -> None:
        with pytest.raises(ConfigError, match="needs an app context"):
            identify(SESSION, ADA)

    def test_the_setting(self, make_host: MakeHost, sqlite_url: str) -> None:
        host = make_host(sqlite_url, TESTING=True)
        with host.app_context():
            assert identify(SESSION, ADA)
            with pytest.raises(ConfigError, match='TCS_EVENTS_IDENTIFY_USER = "by_hand"'):
                identify(SESSION, user_id=42)
        host.testing = False
        log_lines.reset()
        with host.app_context(), capture_logs() as logs:
            assert not identify(SESSION, user_id=42)
        assert [line["event"] for line in logs] == ["tcs_events.misconfigured"]

    def test_the_table(self, host: Flask) -> None:
        with host.app_context():
            with host.extensions["sqlalchemy"].engine.begin() as connection:
                connection.execute(text("DROP TABLE user_event_users"))
            with pytest.raises(StoreUnavailable, match="user_event_users"):
                identify(SESSION, user_id=42)
            host.testing = False
            assert not identify(SESSION, user_id=42)
        assert counted(host)[("failed", "table_missing")] == 2


def test_a_link_waits_for_the_hosts_own_write(sqlite_host: Flask) -> None:
    with sqlite_host.app_context():
        session = sqlite_host.extensions["sqlalchemy"].session
        session.execute(text("CREATE TABLE notes (text TEXT)"))
        session.execute(text("INSERT INTO notes VALUES ('mine')"))
        assert identify(SESSION, ADA, user_id=42)
        session.rollback()
    assert user_links(sqlite_host) == {(SESSION, "42", None), (SESSION, "42", ADA)}
    assert links(sqlite_host) == [(SESSION, ADA)]
