"""By one setting, the sessions of visitors are linked to the user who is logged in."""

from __future__ import annotations

import pytest

pytest.importorskip("flask_login", reason="needs flask_login: pip install -e '.[test]'")

import threading
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import HTTPCookieProcessor, Request, build_opener
from uuid import UUID

from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs
from werkzeug.serving import make_server

from tcs_events import ConfigError
from tcs_events.intake.linking import Linker
from tcs_events.tracking import login
from tcs_events.wsgi import EventsMiddleware
from tests.cli.asking import eventually
from tests.conftest import MakeHost
from tests.faces.test_identify import links
from tests.rights.tables import user_links
from tests.rights.test_subjects import held
from tests.support import URL, card_click, stored
from tests.tracking.login_host import engine_of, login_host
from tests.tracking.test_identify import counted, notes

ADA, BO = "ada@example.com", "bo@example.com"


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    return login_host(
        make_host, database_url, TESTING=True, TCS_EVENTS_IDENTIFY_USER="current_user.id"
    )


@pytest.fixture
def make_sqlite_host(make_host: MakeHost, sqlite_url: str) -> Callable[[object], Flask]:
    def make(setting: object, **config: object) -> Flask:
        config = {"TESTING": True, "TCS_EVENTS_IDENTIFY_USER": setting, **config}
        return login_host(make_host, sqlite_url, **config)

    return make


@pytest.fixture
def asks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "ASK_AGAIN_SECONDS", 0.0)


def send(client: FlaskClient, session: str = "visitor-1", headers: Any = None, **more: Any) -> None:
    answer = client.post(URL, json=card_click(session_id=session, **more), headers=headers)
    assert answer.status_code == 202


def logged_in(app: Flask, name: str = "ada") -> FlaskClient:
    client = app.test_client()
    assert client.post(f"/login/{name}").status_code == 200
    return client


class TestWhoIsLoggedIn:
    def test_is_linked_to_the_session(self, host: Flask) -> None:
        client = host.test_client()
        send(client)
        assert user_links(host) == set()
        client.post("/login/ada")
        send(client)
        assert user_links(host) == {("visitor-1", "42", None)}
        assert links(host) == []
        assert counted(host) == {("accepted", ""): 1}
        assert len(stored(host)) == 2

    def test_is_linked_by_an_address_too(self, make_host: MakeHost, database_url: str) -> None:
        host = login_host(
            make_host, database_url, TESTING=True, TCS_EVENTS_IDENTIFY_USER="current_user.email"
        )
        send(logged_in(host))
        assert links(host) == [("visitor-1", ADA)]
        assert user_links(host) == set()

    def test_a_batch_may_be_of_several_sessions(self, host: Flask) -> None:
        events = [card_click(session_id=name) for name in ("s1", "s2", "s1")]
        bad = {"event_type": "nonsense", "session_id": "s3"}
        answer = logged_in(host).post(f"{URL}/batch", json={"events": [*events, bad]})
        assert answer.status_code == 202
        assert user_links(host) == {("s1", "42", None), ("s2", "42", None)}

    def test_is_asked_for_once_a_minute_and_linked_once(
        self, host: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client, loaded = logged_in(host), host.extensions["users_loaded"]
        for _ in range(5):
            send(client)
        assert loaded == ["42"]
        monkeypatch.setattr(login, "ASK_AGAIN_SECONDS", 0.0)
        send(client)
        assert loaded == ["42", "42"]
        assert counted(host) == {("accepted", ""): 1}

    def test_is_linked_again_by_another_process_to_no_effect(self, host: Flask) -> None:
        send(logged_in(host))
        [logins] = host.extensions["tcs_events"].listeners
        logins._known.clear()
        send(logged_in(host))
        assert user_links(host) == {("visitor-1", "42", None)}
        assert counted(host) == {("accepted", ""): 1, ("duplicate", ""): 1}


class TestTwoPeopleOnOneMachine:
    def test_stay_two_with_a_session_each(self, host: Flask) -> None:
        client = logged_in(host, "ada")
        send(client, "before reset")
        client.post("/logout")
        client.post("/login/bo")
        send(client, "after reset")
        assert user_links(host) == {("before reset", "42", None), ("after reset", "66", None)}
        assert notes(host) == {}

    @pytest.mark.usefixtures("asks_always")
    def test_stay_two_where_the_page_forgets_reset_and_the_host_is_told(self, host: Flask) -> None:
        client = logged_in(host, "ada")
        send(client)
        client.post("/logout")
        send(client)
        client.post("/login/bo")
        with capture_logs() as logs:
            send(client)
            send(client)
        assert user_links(host) == {("visitor-1", "42", None)}
        assert notes(host) == {"sessions_of_another_user": 1}
        lines = [line for line in logs if line["event"] == "tcs_events.session_of_another_user"]
        assert len(lines) == 1
        assert len(stored(host)) == 4

    @pytest.mark.usefixtures("asks_always")
    def test_stay_two_by_their_addresses(self, make_sqlite_host: Callable[[object], Flask]) -> None:
        host = make_sqlite_host("current_user.email")
        for name in ("ada", "bo", "ada"):
            send(logged_in(host, name))
        assert links(host) == [("visitor-1", ADA)]
        assert notes(host) == {"sessions_of_another_user": 1}
        assert counted(host)["duplicate", ""] == 1

    def test_an_event_that_has_waited_tells_nothing_about_who_is_logged_in_now(
        self, host: Flask
    ) -> None:
        send(logged_in(host, "bo"), "adas before the reset", age_ms=120_000)
        assert user_links(host) == set()


class TestWhoIsNotLinked:
    @pytest.mark.parametrize(
        ("headers", "is_linked"),
        [
            ({}, True),
            ({"Origin": "http://localhost"}, True),
            ({"Origin": "http://localhost:5000"}, False),
            ({"Origin": "https://evil.example"}, False),
            ({"Origin": "null"}, False),
            ({"Origin": "https://shop.example"}, True),
            ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
            ({"Origin": "http://evil.localhost", "Sec-Fetch-Site": "same-site"}, False),
            ({"Sec-Fetch-Site": "cross-site"}, False),
            ({"Origin": "http://before.proxy", "Sec-Fetch-Site": "same-origin"}, True),
            ({"Sec-GPC": "1"}, False),
            ({"DNT": "1"}, True),
        ],
    )
    def test_the_session_of_a_foreign_page_or_of_one_who_has_opted_out(
        self,
        make_sqlite_host: Callable[..., Flask],
        headers: dict[str, str],
        is_linked: bool,
    ) -> None:
        origins = ["https://shop.example"]
        host = make_sqlite_host("current_user.id", TCS_EVENTS_CORS_ORIGINS=origins)
        send(logged_in(host), headers=headers)
        assert bool(user_links(host)) is is_linked
        assert host.extensions["users_loaded"] == ["42"] * is_linked

    def test_the_session_that_a_view_records_for(self, host: Flask) -> None:
        assert logged_in(host).post("/refund/of a customer").status_code == 200
        assert len(stored(host)) == 1
        assert user_links(host) == set()

    def test_the_session_of_a_refused_event(self, host: Flask) -> None:
        event = {"event_type": "nonsense", "session_id": "s1"}
        assert logged_in(host).post(URL, json=event).status_code == 422
        assert user_links(host) == set()


class TestWhatTheSettingMayBe:
    @pytest.mark.parametrize(
        ("value", "user_ids", "addresses"),
        [
            (42, {"42"}, []),
            ("auth0|5f7c", {"auth0|5f7c"}, []),
            ("not@address", {"not@address"}, []),
            (UUID(int=7), {"00000000-0000-0000-0000-000000000007"}, []),
            (ADA, set(), [ADA]),
            ((42, ADA), {"42"}, [ADA]),
            ((ADA, 42), {"42"}, [ADA]),
            ((None, ADA), set(), [ADA]),
            (None, set(), []),
            ("", set(), []),
            ((None, ""), set(), []),
        ],
    )
    def test_a_function(
        self,
        make_sqlite_host: Callable[[object], Flask],
        value: object,
        user_ids: set[str],
        addresses: list[str],
    ) -> None:
        host = make_sqlite_host(lambda: value)
        send(host.test_client())
        assert {user_id for _, user_id, _ in user_links(host)} == user_ids
        assert [email for _, email in links(host)] == addresses

    def test_what_a_hook_of_the_host_has_put_into_g(
        self, make_sqlite_host: Callable[[object], Flask]
    ) -> None:
        class Member:
            email = ADA

        host, members = make_sqlite_host("g.member.email"), [None, Member()]

        @host.before_request
        def find_member() -> None:
            g.member = members.pop(0)

        send(host.test_client())
        send(host.test_client())
        assert links(host) == [("visitor-1", ADA)]
        assert notes(host) == {}

    def test_a_method(self, make_sqlite_host: Callable[[object], Flask]) -> None:
        host = make_sqlite_host("current_user.get_id")
        send(logged_in(host))
        assert user_links(host) == {("visitor-1", "42", None)}

    def test_an_id_and_an_address_which_are_then_one_persons(
        self, make_sqlite_host: Callable[[object], Flask]
    ) -> None:
        host = make_sqlite_host(["current_user.id", "current_user.email"])
        client = logged_in(host)
        client.post(f"{URL}/identify", json={"session_id": "visitor-1", "email": BO})
        send(client)
        assert user_links(host) == {("visitor-1", "42", None), ("visitor-1", "42", ADA)}
        assert links(host) == [("visitor-1", BO), ("visitor-1", ADA)]
        send(host.test_client(), "before the login", email=ADA)
        assert len(held(host, "--user", "42")["events"]) == 2

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "current_user",
            "user.id",
            "current_user.id()",
            "g",
            "current_user..id",
            [],
            ["current_user.id", 7],
            7,
            True,
        ],
    )
    def test_nothing_else(self, make_sqlite_host: Callable[[object], Flask], value: object) -> None:
        with pytest.raises(ConfigError, match="TCS_EVENTS_IDENTIFY_USER must be a path such as"):
            make_sqlite_host(value)

    def test_flask_login_is_asked_for_where_it_is_needed(
        self, make_sqlite_host: Callable[[object], Flask], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tcs_events.settings.importlib.util.find_spec", lambda _: None)
        with pytest.raises(ConfigError, match="pip install flask-login"):
            make_sqlite_host("current_user.id")

    def test_not_with_the_middleware_which_sees_no_login(
        self, make_sqlite_host: Callable[[object], Flask]
    ) -> None:
        with pytest.raises(ConfigError, match="EventsMiddleware answers before the login"):
            EventsMiddleware(make_sqlite_host("current_user.id"))

    def test_by_hand_with_the_middleware(self, make_sqlite_host: Callable[[object], Flask]) -> None:
        host = make_sqlite_host("by_hand")
        host.wsgi_app = EventsMiddleware(host)  # type: ignore[method-assign]
        send(logged_in(host))
        assert user_links(host) == set()


class TestAFailure:
    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (lambda: 1 / 0, "ZeroDivisionError"),
            (lambda: object(), "ValueError"),
            (lambda: True, "ValueError"),
            (lambda: "x" * 256, "ValueError"),
            (lambda: "4\n2", "ValueError"),
            (lambda: (42, 43), "ValueError"),
            (lambda: (ADA, BO), "ValueError"),
            ("current_user.emial", "AttributeError"),
        ],
    )
    def test_of_the_hosts_function_is_logged_once_and_costs_no_event(
        self, make_sqlite_host: Callable[[object], Flask], value: object, reason: str
    ) -> None:
        host = make_sqlite_host(value)
        client = logged_in(host)
        with capture_logs() as logs:
            for _ in range(3):
                send(client)
        lines = [line for line in logs if line["event"] == "tcs_events.identify_user_failed"]
        assert [line["reason"] for line in lines] == [reason]
        assert notes(host) == {"identify_user_failed": 3}
        assert len(stored(host)) == 3

    def test_of_the_database_costs_no_event_and_is_tried_again(
        self, host: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = logged_in(host)
        with engine_of(host).begin() as connection:
            connection.execute(text("ALTER TABLE user_event_users RENAME TO away"))
        with capture_logs() as logs:
            send(client)
            send(client)
        assert [line["event"] for line in logs].count("tcs_events.table_missing") == 1
        assert counted(host) == {("failed", "table_missing"): 1}
        with engine_of(host).begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO user_event_users"))
        monkeypatch.setattr(login, "ASK_AGAIN_SECONDS", 0.0)
        send(client)
        assert user_links(host) == {("visitor-1", "42", None)}


@pytest.fixture
def served(make_sqlite_host: Callable[..., Flask]) -> Iterator[tuple[Flask, str]]:
    """A host of production behind a real server, and its URL."""
    host = make_sqlite_host("current_user.id", TESTING=False)
    server = make_server("127.0.0.1", 0, host, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield host, f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_visitor_does_not_wait_for_the_link(
    served: tuple[Flask, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, url = served
    may_link, link = threading.Event(), Linker.link

    def wait_and_link(*args: Any, **more: Any) -> bool:
        assert may_link.wait(30)
        return link(*args, **more)

    monkeypatch.setattr(Linker, "link", wait_and_link)
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    browser.open(Request(f"{url}/login/ada", method="POST")).close()
    event = host.json.dumps(card_click()).encode()
    with browser.open(Request(f"{url}{URL}", event), timeout=20) as answer:
        assert answer.read() == b'{"status": "accepted"}'
    assert user_links(host) == set()
    may_link.set()
    assert eventually(lambda: user_links(host) == {("visitor-1", "42", None)})
