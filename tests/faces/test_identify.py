"""A link from a session to a person is stored, and the events stay as they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from tcs_events import UserEvent, UserEventIdentity
from tests.conftest import MakeHost
from tests.support import URL, post, stored

EMAIL = "ada@example.com"


def identify(app: Flask, **changes: object) -> TestResponse:
    """Post a good link, with fields changed or, where the value is `...`, left out."""
    link = {"session_id": "visitor-1", "email": EMAIL, **changes}
    body = {field: value for field, value in link.items() if value is not ...}
    return app.test_client().post(f"{URL}/identify", json=body)


def links(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        rows = session.scalars(select(UserEventIdentity).order_by(UserEventIdentity.id))
        return [(row.session_id, row.email) for row in rows]


def test_a_link_is_stored_and_no_event_is_touched(app: Flask) -> None:
    post(app)
    before = stored(app)

    answer = identify(app)

    assert (answer.status_code, answer.json) == (202, {"status": "accepted"})
    assert links(app) == [("visitor-1", EMAIL)]
    assert stored(app) == before


def test_the_past_and_the_future_of_a_session_join_the_person(app: Flask) -> None:
    post(app)
    identify(app)
    post(app)
    post(app, session_id="somebody else")
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        theirs = session.scalars(
            select(UserEvent)
            .join(UserEventIdentity, UserEventIdentity.session_id == UserEvent.session_id)
            .where(UserEventIdentity.email == EMAIL)
        ).all()
        assert [event.session_id for event in theirs] == ["visitor-1"] * 2


def test_the_same_link_is_stored_once_and_answered_alike(app: Flask) -> None:
    for _ in range(3):
        assert identify(app).status_code == 202
    assert links(app) == [("visitor-1", EMAIL)]


def test_a_session_may_belong_to_several_and_a_person_have_several(app: Flask) -> None:
    identify(app)
    identify(app, email="bo@example.com")
    identify(app, session_id="visitor-2")
    assert links(app) == [
        ("visitor-1", EMAIL),
        ("visitor-1", "bo@example.com"),
        ("visitor-2", EMAIL),
    ]


def test_a_link_that_waited_has_the_time_at_which_it_was_said(app: Flask) -> None:
    identify(app, age_ms=3_600_000)
    with app.app_context():
        [row] = app.extensions["sqlalchemy"].session.scalars(select(UserEventIdentity))
        assert row.received_at - row.created_at == timedelta(hours=1)
        assert abs(datetime.now(UTC) - row.received_at) < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": None}, "email"),
        ({"email": ...}, "email"),
        ({"email": "a@" + "b" * 320}, "email"),
        ({"session_id": ...}, "session_id"),
        ({"session_id": "x" * 65}, "session_id"),
        ({"session_id": "line\nbreak"}, "session_id"),
        ({"email": "\0@example.com"}, "email"),
        ({"session_id": "\0"}, "_schema"),
    ],
)
def test_a_bad_link_is_refused_by_its_field(
    app: Flask, changes: dict[str, Any], field: str
) -> None:
    answer = identify(app, **changes)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]
    assert links(app) == []


def test_what_the_tracker_sends_along_is_ignored(app: Flask) -> None:
    assert identify(app, event_id="01890a5d-ac96-774b-bcce-b302099a8057").status_code == 202


def test_a_host_that_has_not_made_the_table_yet_says_so_and_takes_events(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url)
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        connection.execute(text("DROP TABLE user_event_identities"))
    with capture_logs() as logs:
        answer = identify(app)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    missing = [entry for entry in logs if entry["event"] == "tcs_events.table_missing"]
    assert {entry["table"] for entry in missing} == {"user_event_identities"}
    assert post(app).status_code == 202


def test_no_log_line_holds_the_address_or_the_session(app: Flask) -> None:
    with capture_logs() as logs:
        identify(app)
        identify(app)
        identify(app, email="not-" + EMAIL + " at all")
    said = [entry for entry in logs if entry["event"] == "tcs_events.session_identified"]
    assert [entry["is_new"] for entry in said] == [True, False]
    assert EMAIL not in str(logs)
    assert "visitor-1" not in str(logs)
