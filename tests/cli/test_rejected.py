"""`flask tcs-events rejected` and `replay`: what was refused, and stored after all, once."""

from __future__ import annotations

import json
import signal
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from marshmallow import Schema, fields
from sqlalchemy import select

from tcs_events import EventInvalid, UserEvent, UserEventRejection, create_blueprint, reports
from tcs_events.event import Rejection
from tcs_events.intake.rejections import rejection_of
from tests.cli.asking import NOON, ask, click, database_url_of, lines, run, running, save
from tests.conftest import MakeHost
from tests.support import card_click, stored

ID = UUID("0196f4c2-6b7a-7c3e-8f10-000000000001")
REFUSED = EventInvalid({"event_type": ["Must be one of: card_click."]})


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    return make_host(database_url, TCS_EVENTS_KEEP_REJECTED=1000)


def refuse(
    app: Flask, *events: Any, error: EventInvalid = REFUSED, at: datetime = NOON
) -> list[UUID]:
    """Keep events as refused; return the ids of their rows."""
    rows = [rejection_of(event, error, at) for event in events]
    save(app, *(UserEventRejection(**row._asdict()) for row in rows))
    return [row.rejection_id for row in rows]


def kept(app: Flask) -> int:
    with app.app_context():
        return len(app.extensions["sqlalchemy"].session.scalars(select(UserEventRejection)).all())


def events(app: Flask) -> list[UserEvent]:
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        return list(session.scalars(select(UserEvent).order_by(UserEvent.id)))


class TestRejected:
    def test_lists_them_by_reason_and_type(self, host: Flask) -> None:
        refuse(host, card_click(event_type="sign_up"), card_click(event_type="sign_up"))
        newest = card_click(event_type="sign_up", payload={"plan": "free"})
        refuse(host, newest, at=NOON + timedelta(hours=1))
        refuse(host, 7, error=EventInvalid({"_schema": ["Invalid input type."]}))
        by_type, by_schema = ask(host, "rejected")["rows"]
        assert by_type == {
            "reason": "event_type",
            "event_type": "sign_up",
            "events": 3,
            "first_at": "2026-03-02T12:00:00+00:00",
            "last_at": "2026-03-02T13:00:00+00:00",
            "errors": REFUSED.errors,
            "sample": newest,
        }
        assert (by_schema["reason"], by_schema["event_type"]) == ("_schema", None)
        title, first, second = lines(host, "rejected")
        assert title.split() == ["reason", "event", "type", "events", "last", "sample"]
        assert first.startswith("event_type  sign_up          3  2026-03-02 13:00:00")
        assert second.endswith("too long")

    def test_hostile_texts_are_printed_visibly(self, host: Flask) -> None:
        text = "\x1b[2J\0\ud800\u202e"
        refuse(host, card_click(event_type=text, payload={text: text}))
        printed = "\n".join(lines(host, "rejected"))
        assert not set(printed) & {"\x1b", "\0", "\ud800", "\u202e"}
        assert ask(host, "rejected")["rows"][0]["sample"]["payload"] == {text: text}

    def test_says_so_where_none_is_kept(self, sqlite_host: Flask) -> None:
        assert lines(sqlite_host, "rejected") == [
            "No refused event is kept. TCS_EVENTS_KEEP_REJECTED is 0; set it to the number of"
            " refused events to keep."
        ]
        assert ask(sqlite_host, "rejected") == {"rows": []}


def kept_as_sent(data: dict[str, object]) -> Rejection:
    """Return a row as it is where nothing in its texts had to be left out."""
    error = EventInvalid({"event_type": ["Must be one of: nothing."]})
    return rejection_of(data, error, NOON)._replace(sample=json.dumps(data))


class TestReplay:
    def test_stores_what_is_allowed_now_as_of_then(self, host: Flask) -> None:
        sent = card_click(event_id=str(ID), age_ms=60_000, email="ada@example.com")
        refuse(host, sent, card_click(session_id=""), card_click(payload={"a": "x" * 9000}))
        assert ask(host, "replay") == {
            "stored": 1,
            "duplicates": 0,
            "refused": 2,
            "dry_run": False,
        }
        [event] = events(host)
        assert (event.event_id, event.email) == (ID, "ada@example.com")
        assert (event.payload, event.session_id) == (sent["payload"], "visitor-1")
        assert event.received_at == NOON
        assert event.created_at == NOON - timedelta(minutes=1)
        assert kept(host) == 2

    def test_holds_each_event_against_the_schemas_of_now(
        self, make_host: MakeHost, database_url: str
    ) -> None:
        class SignUp(Schema):
            plan = fields.String(required=True)

        types = create_blueprint(event_types={"sign_up": SignUp})
        app = make_host(database_url, types, TCS_EVENTS_KEEP_REJECTED=1000)
        refuse(app, {**card_click(event_type="sign_up"), "payload": {"plan": "free"}})
        refuse(app, card_click(event_type="sign_up", payload={"plan": 3}), card_click())
        assert lines(app, "replay") == ["Stored 1; 0 were stored before; 2 are still refused."]
        assert [event.payload for event in events(app)] == [{"plan": "free"}]

    @pytest.mark.parametrize(
        ("settings", "payload", "becomes"),
        [
            ({}, {"q": "call 4111111"}, {"q": "call 4111111"}),
            (
                {"scrub_fields": ["q"]},
                {"q": 4111111, "n": 4111111},
                {"q": "[number]", "n": 4111111},
            ),
            ({"scrub_fields": ["q"]}, {"q": {"a": [4111111.0]}}, {"q": {"a": ["[number]"]}}),
            ({"max_body_bytes": 300}, {"q": "x" * 300}, None),
        ],
        ids=["as sent", "scrubbed", "scrubbed below", "too long"],
    )
    def test_makes_of_an_event_what_the_endpoint_makes(
        self,
        make_host: MakeHost,
        sqlite_url: str,
        settings: dict[str, object],
        payload: dict[str, object],
        becomes: dict[str, object] | None,
    ) -> None:
        make_host(sqlite_url, TCS_EVENTS_KEEP_REJECTED=1)
        host = make_host(sqlite_url, create_blueprint(**settings), create=False)
        posted = card_click(payload=payload, event_id=str(ID))
        answer = host.test_client().post("/api/events", json=posted)
        assert (answer.status_code == 202) == (becomes is not None)
        row = kept_as_sent(card_click(payload=payload))
        save(host, UserEventRejection(**row._asdict()))
        ask(host, "replay")
        assert [event.payload for event in events(host)] == ([becomes] * 2 if becomes else [])

    @pytest.mark.parametrize("count", [1, 7, 450])
    def test_twice_stores_nothing_twice(self, host: Flask, count: int) -> None:
        refuse(host, *(card_click() for _ in range(count)))
        assert ask(host, "replay")["stored"] == count
        assert ask(host, "replay") == {
            "stored": 0,
            "duplicates": 0,
            "refused": 0,
            "dry_run": False,
        }
        assert len(stored(host)) == count
        assert kept(host) == 0

    def test_an_event_that_was_stored_meanwhile_is_a_duplicate(self, host: Flask) -> None:
        save(host, click(event_id=ID))
        refuse(host, card_click(event_id=str(ID)), card_click(event_id=str(ID)))
        assert ask(host, "replay", "--dry-run")["duplicates"] == 2
        assert ask(host, "replay")["duplicates"] == 2
        assert (len(stored(host)), kept(host)) == (1, 0)

    def test_a_dry_run_says_the_same_and_changes_nothing(self, host: Flask) -> None:
        twice = card_click(event_id=str(ID))
        refuse(host, twice, twice, card_click(), card_click(session_id=7))
        would = ask(host, "replay", "--dry-run")
        assert (stored(host), kept(host)) == ([], 4)
        assert lines(host, "replay", "--dry-run") == [
            "Would store 2; 1 were stored before; 1 are still refused."
        ]
        assert ask(host, "replay") == {**would, "dry_run": False}
        assert (would["stored"], would["duplicates"], would["refused"]) == (2, 1, 1)

    @pytest.mark.parametrize("text", ["\0", "\ud800", "a\0b"])
    def test_what_no_database_takes_is_still_refused(self, host: Flask, text: str) -> None:
        refuse(host, card_click(payload={"a": text}), card_click(payload={"a": 1e300}))
        assert ask(host, "replay")["refused"] == 2
        assert stored(host) == []

    def test_the_counts_of_its_day_follow(self, host: Flask) -> None:
        save(host, click())
        period = reports.Period(NOON.date(), NOON.date())
        with host.app_context():
            refresher = host.extensions["tcs_events"].refresher
            refresher.refresh()
            refuse(host, card_click(session_id="visitor-2"))
            run(host, "replay")
            refresher.refresh()
            rows = [row for row in reports.activity(period) if row.event_type == "card_click"]
        assert [row.sessions for row in rows] == [2]

    @pytest.mark.parametrize("is_derived", [True, False])
    def test_who_is_killed_before_deleting_stores_nothing_twice(
        self, host: Flask, is_derived: bool
    ) -> None:
        """With ids that are made anew each time, it would: that is the control."""
        refuse(host, *(card_click() for _ in range(3)))
        program = "import os, signal, uuid, tcs_events.intake.replay as r\n"
        program += "r._delete = lambda *args: os.kill(os.getpid(), signal.SIGKILL)\n"
        anew = "r.uuid5 = lambda *args: uuid.uuid4()\n"
        with running(
            database_url_of(host), "replay", program=program + anew * (not is_derived)
        ) as it:
            assert it.process.wait(60) == -signal.SIGKILL
        assert (len(stored(host)), kept(host)) == (3, 3)
        again = ask(host, "replay")
        assert again["duplicates"] == (3 if is_derived else 0)
        assert len(stored(host)) == (3 if is_derived else 6)
        assert kept(host) == 0
