"""What `Tracked` hears, what its checks say, and that it leaves nothing behind."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest
from flask import Blueprint, Flask
from marshmallow import Schema, fields, validate
from sqlalchemy import text

from tcs_events import (
    EventInvalid,
    EventType,
    UserEvent,
    create_blueprint,
    identify,
    track,
)
from tcs_events.testing import Rejected, Tracked
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, need_module, stored


class SignUp(Schema):
    plan = fields.String(required=True, validate=validate.OneOf(["free", "pro"]))
    seats = fields.Integer(load_default=1)


def event_types(*declared: EventType | str) -> Blueprint:
    return create_blueprint(event_types=list(declared))


sign_ups = event_types(EventType("sign_up", SignUp), "page_view")


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url, sign_ups, TCS_EVENTS_KEEP_REJECTED=10)
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


@pytest.fixture
def host(make_host: MakeHost, sqlite_url: str) -> Flask:
    return make_host(sqlite_url, sign_ups, TCS_EVENTS_KEEP_REJECTED=10)


def send(app: Flask, event_type: str = "sign_up", **payload: object) -> int:
    event = {"event_type": event_type, "session_id": "visitor-1", "payload": payload}
    return app.test_client().post(URL, json=event).status_code


def failure_of(check: Any, *args: object, **payload: object) -> list[str]:
    with pytest.raises(AssertionError) as raised:
        check(*args, **payload)
    return str(raised.value).splitlines()


def test_it_has_what_was_recorded(app: Flask) -> None:
    with Tracked() as tracked:
        assert send(app, plan="pro", seats=3) == 202
        assert send(app, "page_view", path="/") == 202
        event = tracked.assert_one("sign_up", plan="pro")
        assert (event.session_id, event.payload) == ("visitor-1", {"plan": "pro", "seats": 3})
        assert tracked.assert_one("sign_up", plan=ANY) is event
        assert [event.event_type for event in tracked.events] == ["sign_up", "page_view"]
        assert tracked.of("sign_up") == [event]
        assert tracked.of("sign_out") == []
        tracked.assert_none("sign_up", plan="free")


def test_it_has_what_a_batch_recorded_and_what_it_refused(app: Flask) -> None:
    good = {"event_type": "sign_up", "session_id": "s", "payload": {"plan": "pro"}}
    bad = {"event_type": "sign_up", "session_id": "s", "payload": {"plan": "gold"}}
    with Tracked() as tracked:
        app.test_client().post(f"{URL}/batch", json={"events": [good, bad, {}]})
        tracked.assert_one("sign_up", plan="pro")
    refused, nameless = tracked.rejected
    assert isinstance(refused, Rejected)
    assert (refused.event_type, refused.sent) == ("sign_up", bad)
    assert refused.details == [
        {"path": "payload.plan", "code": "not_allowed", "message": "Must be one of: free, pro."}
    ]
    assert nameless.event_type is None


def test_it_hears_of_a_replay(make_host: MakeHost, sqlite_url: str) -> None:
    before = make_host(sqlite_url, event_types("page_view"), TCS_EVENTS_KEEP_REJECTED=10)
    assert send(before, plan="pro") == 422
    now = make_host(sqlite_url, sign_ups, TCS_EVENTS_KEEP_REJECTED=10)
    with Tracked() as tracked:
        now.test_cli_runner().invoke(args=["tcs-events", "replay"])
        tracked.assert_one("sign_up", plan="pro")


class TestTrack:
    """What the host's own Python records."""

    def test_an_event_of_python_is_heard_once_the_host_commits(self, host: Flask) -> None:
        session = host.extensions["sqlalchemy"].session
        with host.app_context(), Tracked() as tracked:
            track("sign_up", {"plan": "pro"}, session_id="s")
            tracked.assert_one("sign_up", plan="pro")
            for end in (session.rollback, session.commit):
                session.execute(text("SELECT 1"))
                track("sign_up", {"plan": "free"}, session_id="s", after_commit=True)
                tracked.assert_none("sign_up", plan="free")
                end()
            tracked.assert_one("sign_up", plan="free")

    def test_it_waits_for_no_lock_of_the_host(self, host: Flask) -> None:
        """A host that rolls back after each test holds the lock of the file until then."""
        with host.app_context():
            session = host.extensions["sqlalchemy"].session
            session.add(UserEvent(session_id="s", event_type="sign_up"))
            session.flush()
            with Tracked() as tracked:
                track("sign_up", {"plan": "pro"}, session_id="s")
                tracked.assert_one("sign_up", plan="pro")
            session.rollback()
            assert stored(host) == []

    def test_what_is_refused_is_heard(self, host: Flask) -> None:
        host.testing = True
        with host.app_context(), Tracked() as tracked:
            with pytest.raises(EventInvalid):
                track("sign_up", {"plan": "gold"}, session_id="s")
            with pytest.raises(EventInvalid):
                track("sign_up", {"plan": "pro"})
        assert [each.details[0]["path"] for each in tracked.rejected] == [
            "payload.plan",
            "session_id",
        ]


class TestIdentify:
    """Whose session it is: links are checked, and not stored."""

    @pytest.fixture
    def host(self, make_host: MakeHost, sqlite_url: str) -> Flask:
        return make_host(sqlite_url, sign_ups, TCS_EVENTS_IDENTIFY_USER=lambda: "user-1")

    def test_a_link_is_made_as_often_as_the_host_likes(self, host: Flask) -> None:
        with host.app_context():
            with Tracked() as tracked:
                assert identify("s", user_id="user-1")
                assert identify("s", user_id="user-1")
                host.testing = True
                with pytest.raises(EventInvalid):
                    identify("s")
                assert "duplicate" not in "".join(failure_of(tracked.assert_one, "sign_up"))
            assert rows(host, "user_event_users") == 0
            assert identify("s", user_id="user-1")
            assert rows(host, "user_event_users") == 1

    def test_a_logged_in_user_is_linked_by_the_first_event_that_is_stored(
        self, host: Flask
    ) -> None:
        host.testing = True
        with Tracked():
            assert send(host, plan="pro") == 202
        assert rows(host, "user_event_users") == 0
        assert send(host, plan="pro") == 202
        assert rows(host, "user_event_users") == 1


class TestFailures:
    def test_the_nearest_event_and_how_it_differs(self, host: Flask) -> None:
        with Tracked() as tracked:
            send(host, plan="free", seats=3)
            send(host, plan="free", seats=4)
            send(host, "page_view", path="/")
            assert failure_of(tracked.assert_one, "sign_up", plan="pro", seats=4, via="ad") == [
                "expected one sign_up event with plan='pro', seats=4, via='ad'; recorded: none",
                "the nearest: sign_up {'plan': 'free', 'seats': 4}",
                "    plan is 'free', expected 'pro'",
                "    via is missing, expected 'ad'",
                "all recorded events:",
                "    sign_up {'plan': 'free', 'seats': 3}",
                "    sign_up {'plan': 'free', 'seats': 4}",
                "    page_view {'path': '/'}",
            ]

    def test_two_events_are_not_one(self, host: Flask) -> None:
        with Tracked() as tracked:
            send(host, plan="free")
            send(host, plan="free", seats=2)
            assert failure_of(tracked.assert_one, "sign_up", plan="free") == [
                "expected one sign_up event with plan='free'; recorded: 2",
                "    sign_up {'plan': 'free', 'seats': 1}",
                "    sign_up {'plan': 'free', 'seats': 2}",
            ]

    def test_a_refused_event_with_its_field_and_reason(self, host: Flask) -> None:
        with Tracked() as tracked:
            send(host, plan="gold")
            assert failure_of(tracked.assert_one, "sign_up") == [
                "expected one sign_up event; recorded: none",
                "refused: sign_up",
                "    payload.plan: Must be one of: free, pro.",
                "No event at all was recorded.",
            ]
            tracked.assert_none()

    def test_a_similar_type(self, host: Flask) -> None:
        with Tracked() as tracked:
            send(host, plan="free")
            message = failure_of(tracked.assert_one, "signup")
            assert "A similar type was recorded: sign_up" in message

    def test_what_was_ignored(self, app: Flask) -> None:
        event = {
            "event_type": "page_view",
            "session_id": "s",
            "event_id": "4dc5ee0f-9f9c-4c1c-b9d1-4ff4ee9a5ee5",
        }
        with Tracked() as tracked:
            client = app.test_client()
            assert client.post(URL, json=event, headers={"Sec-GPC": "1"}).status_code == 202
            assert client.post(URL, json=event).status_code == 202
            assert client.post(URL, json=event).status_code == 202
            assert failure_of(tracked.assert_one, "page_view", path="/") == [
                "expected one page_view event with path='/'; recorded: none",
                "the nearest: page_view {}",
                "    path is missing, expected '/'",
                "not recorded: 1 opted_out (gpc)",
                "not recorded: 1 duplicate (its event_id came before)",
                "all recorded events:",
                "    page_view {}",
            ]

    def test_an_event_that_should_not_be(self, host: Flask) -> None:
        with Tracked() as tracked:
            send(host, plan="free")
            assert failure_of(tracked.assert_none, "sign_up") == [
                "expected no sign_up event; recorded: 1",
                "    sign_up {'plan': 'free', 'seats': 1}",
            ]
            assert failure_of(tracked.assert_none)[0] == "expected no event; recorded: 1"

    def test_long_values_and_many_events_are_cut(self, host: Flask) -> None:
        with Tracked() as tracked:
            for number in range(30):
                send(host, "page_view", text="x" * 1000, number=number)
            lines = failure_of(tracked.assert_none)
        assert lines[-1] == "    and 10 more"
        assert len(lines) == 22
        assert max(map(len, lines)) < 500


def rows(app: Flask, table: str) -> int:
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        with engine.connect() as connection:
            return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


TABLES = ["user_events", "user_event_identities", "user_event_rejections", "user_event_counters"]


def everything(app: Flask) -> None:
    """Have all that an app can be sent."""
    assert send(app, plan="pro") == 202
    assert send(app, plan="gold") == 422
    identity = {"session_id": "s", "email": "ada@example.com"}
    assert app.test_client().post(f"{URL}/identify", json=identity).status_code == 202


def test_nothing_is_stored_or_counted_meanwhile(app: Flask) -> None:
    everything(app)  # what was there before stays
    before = [rows(app, table) for table in TABLES]
    counted = app.extensions["tcs_events"].counters.counted()
    assert before[:3] == [1, 1, 1]
    with Tracked() as tracked:
        everything(app)
        tracked.assert_one("sign_up")
    assert [rows(app, table) for table in TABLES] == before
    assert app.extensions["tcs_events"].counters.counted() == counted
    everything(app)  # and afterwards all is as before
    assert len(stored(app)) == 2
    assert len(tracked.events) == 1


def test_a_limit_of_another_test_is_not_met(make_host: MakeHost, sqlite_url: str) -> None:
    need_module("limits")
    limits = {"TCS_EVENTS_CLIENT_LIMIT": "1/day", "TCS_EVENTS_SESSION_LIMIT": "1/day"}
    app = make_host(sqlite_url, sign_ups, **limits)
    with Tracked():
        assert [send(app, plan="pro") for _ in range(3)] == [202, 202, 202]
    assert [send(app, plan="pro") for _ in range(3)] == [202, 429, 429]


def test_the_tables_need_not_exist(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, sign_ups, create=False)
    with Tracked() as tracked:
        assert send(app, plan="pro") == 202
        tracked.assert_one("sign_up")
    assert send(app, plan="pro") == 503


def test_a_refused_event_is_kept_again_afterwards(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, sign_ups, create=False, TCS_EVENTS_KEEP_REJECTED=10)
    with Tracked():
        assert send(app, plan="gold") == 422  # keeping it would fail, and be paused for a while
    with app.app_context():
        app.extensions["sqlalchemy"].create_all()
    assert send(app, plan="gold") == 422
    assert rows(app, "user_event_rejections") == 1


def test_one_within_another_hears_the_same(host: Flask) -> None:
    with Tracked() as outer, Tracked() as inner:
        send(host, plan="pro")
        inner.assert_one("sign_up")
        outer.assert_one("sign_up")
    assert send(host, plan="pro") == 202
    assert len(outer.events) == 1
    assert len(stored(host)) == 1
