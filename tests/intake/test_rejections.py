"""Refused events are kept in limited number and redacted, and a failing database costs little."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import select, text
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from tcs_events import EventInvalid, UserEventRejection, create_blueprint
from tcs_events.host import registration_of
from tcs_events.intake import rejections as rejections_module
from tcs_events.intake.rejections import (
    LEFT_OUT,
    ROWS_PER_WRITE,
    SAMPLE_MAX_BYTES,
    WRITES_PER_SECOND,
    KeptRejections,
    redacted,
    rejection_of,
)
from tcs_events.strict_json import MAX_BODY_DEPTH
from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, post, stored, wait_until

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EMAIL = "ada@example.com"
MakeApp = Callable[..., Flask]


@pytest.fixture(params=["view", "middleware"])
def make_app(request: pytest.FixtureRequest, make_host: MakeHost, database_url: str) -> MakeApp:
    def make(keep: int = 100, **options: object) -> Flask:
        app = make_host(database_url, create_blueprint(**options), TCS_EVENTS_KEEP_REJECTED=keep)
        if request.param == "middleware":
            app.wsgi_app = EventsMiddleware(app)
        return app

    return make


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture(autouse=True)
def _a_machine_that_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift the time limit for tests that are not about it, because the machine may be busy."""
    monkeypatch.setattr(rejections_module, "TIMEOUT_MS", 30_000)
    monkeypatch.setattr("tcs_events.host.registration.TIMEOUT_MS", 30_000)
    monkeypatch.setattr(rejections_module, "WRITES_PER_SECOND", 10_000)


def kept(app: Flask) -> list[Any]:
    """Return the rows, oldest first."""
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        return list(session.scalars(select(UserEventRejection).order_by(UserEventRejection.id)))


def keeper(app: Flask) -> KeptRejections:
    with app.app_context():
        rejections: KeptRejections = app.extensions["tcs_events"].rejections
        return rejections


def noted(app: Flask) -> dict[str, int]:
    """Return how many refused events were kept, left out and failed."""
    notes = app.extensions["tcs_events"].counters.counted().notes
    return {name.removeprefix("rejections_"): number for name, number in notes.items()}


def batch(app: Flask, *events: Any) -> TestResponse:
    return app.test_client().post(f"{URL}/batch", json={"events": events})


class TestWhatIsKept:
    def test_a_refused_event_is_read_back_as_it_was(self, app: Flask) -> None:
        sent = card_click(event_type="sign_up", email=EMAIL, age_ms=5, payload={"a": [1.5, "ö\n"]})
        answer = app.test_client().post(URL, json=sent)
        [row] = kept(app)
        assert (answer.status_code, stored(app)) == (422, [])
        assert abs((datetime.now(UTC) - row.received_at).total_seconds()) < 60
        assert (row.event_type, row.session_id, row.email) == ("sign_up", "visitor-1", EMAIL)
        assert (row.reason, row.errors) == ("event_type", answer.json["errors"])
        assert json.loads(row.sample) == sent
        assert (
            row.size_bytes == len(json.dumps(sent, ensure_ascii=False, separators=(",", ":"))) + 1
        )

    def test_the_bad_ones_of_a_batch_are_kept_in_one_transaction(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        appended: list[int] = []
        append = keeper(app)._store.append

        def count(rows: Any) -> Any:
            appended.append(len(rows))
            return append(rows)

        monkeypatch.setattr(keeper(app)._store, "append", count)
        batch(app, card_click(), card_click(event_id="1"), 7, None, card_click(session_id=""))
        assert [row.reason for row in kept(app)] == ["event_id", "_schema", "_schema", "session_id"]
        assert [row.sample is None for row in kept(app)] == [False, True, True, False]
        assert len(stored(app)) == 1
        assert appended == [4]

    def test_the_reason_names_the_field_in_the_payload(self, make_app: MakeApp) -> None:
        class Click(Schema):
            context = fields.String(required=True, validate=validate.OneOf(["grid"]))
            expert_id = fields.String(required=True)

        app = make_app(event_types={"card_click": Click})
        post(app, payload={"context": "list"})
        [row] = kept(app)
        assert row.reason == "payload.context, payload.expert_id"
        assert row.errors == {
            "payload": {
                "context": ["Must be one of: grid."],
                "expert_id": ["Missing data for required field."],
            }
        }

    def test_no_message_quotes_what_was_sent(self, make_app: MakeApp) -> None:
        def refuse(value: Any) -> None:
            raise ValidationError(f"{value} is not known here")

        class Click(Schema):
            a = fields.Raw(validate=refuse)
            b = fields.List(fields.Raw(validate=refuse))

        app = make_app(event_types={"card_click": Click})
        post(app, payload={"a": "my illness", "b": ["my secret", 42], EMAIL: 1, "c": "long" * 999})
        post(app, payload={"a": "x" * 9000})
        assert "my" not in json.dumps(kept(app)[0].errors)
        assert kept(app)[0].errors["payload"]["a"] == [LEFT_OUT]
        assert kept(app)[0].errors["payload"]["[email]"] == ["Unknown field."]
        assert kept(app)[1].errors == {"payload": {"a": [LEFT_OUT]}}

    def test_errors_without_end_are_kept_by_name(self) -> None:
        many = EventInvalid({"payload": {str(n): ["Unknown field."] for n in range(500)}})
        row = rejection_of(card_click(), many, NOW)
        assert row.errors == {"payload": [LEFT_OUT]}
        assert len(row.reason) <= 200

    @pytest.mark.parametrize("size", [SAMPLE_MAX_BYTES, SAMPLE_MAX_BYTES + 1])
    def test_a_long_event_is_kept_without_itself(self, app: Flask, size: int) -> None:
        sent = card_click(event_type="x", payload={"a": ""})
        room = size - len(json.dumps(sent, separators=(",", ":")))
        post(app, event_type="x", payload={"a": "b" * room})
        [row] = kept(app)
        assert row.size_bytes == size
        assert (row.sample is None) == (size > SAMPLE_MAX_BYTES)

    def test_by_default_nothing_is_kept(self, make_app: MakeApp) -> None:
        make_app()  # leaves its table, so that there is a place to keep something
        app = make_app(keep=0)
        assert post(app, event_type="nope").status_code == 422
        assert kept(app) == []

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 5000])
    def test_what_is_no_json_is_not_kept(self, app: Flask, body: bytes) -> None:
        assert app.test_client().post(URL, data=body).status_code == 422
        assert kept(app) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_a_batch_that_is_sent_again_a_refused_event_is_kept_once(app: Flask) -> None:
    trigger = (
        "CREATE TRIGGER keep_out BEFORE INSERT ON user_events"
        " WHEN NEW.session_id = 'kept-out' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    events = [card_click(), card_click(session_id="kept-out"), card_click(event_type="nope")]
    client, registration = app.test_client(), app.extensions["tcs_events"]
    with app.app_context(), registration.database.engine.begin() as connection:
        connection.execute(text(trigger))
    assert client.post(f"{URL}/batch", json={"events": events}).status_code == 503
    assert kept(app) == []
    with app.app_context(), registration.database.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER keep_out"))
    assert client.post(f"{URL}/batch", json={"events": events}).status_code == 202
    assert len(kept(app)) == 1


class TestHostileTexts:
    @pytest.mark.parametrize(
        "text",
        [
            "\0",
            "\ud800",
            "a\udfffb",
            "\x1b[2J",
            "\u202e",
            "\N{OWL}" * 200,
            "' OR 1=1 --",
            "\\N",
            "%s",
        ],
    )
    def test_are_kept_and_break_nothing(self, app: Flask, text: str) -> None:
        whole = dict.fromkeys(("session_id", "email", "event_type", "event_id"), text)
        sent = {**whole, "payload": {text: [text]}, text: text}
        answer = app.test_client().post(URL, data=json.dumps(sent))
        assert answer.status_code == 422
        assert batch(app, {**sent, "age_ms": -1}, card_click(payload=text)).status_code == 422
        rows = kept(app)
        assert len(rows) == 3
        assert json.loads(rows[0].sample) == sent

    def test_a_good_text_is_kept_as_it_is_and_cut_to_the_column(self, app: Flask) -> None:
        post(app, event_type="é" * 60, session_id="\N{OWL}" * 70, email="x" * 400)
        [row] = kept(app)
        assert row.event_type == "é" * 50
        assert row.session_id == "\N{OWL}" * 64
        assert row.email == "x" * 320

    @pytest.mark.parametrize("depth", [33, 40, MAX_BODY_DEPTH - 1])
    def test_what_is_nested_too_deep_is_kept_without_itself(self, app: Flask, depth: int) -> None:
        deep = '{"payload":' + '{"a":' * depth + "1" + "}" * depth + "}"
        assert app.test_client().post(URL, data=deep).status_code == 422
        assert [row.sample for row in kept(app)] == [None]

    @pytest.mark.parametrize("number", ["1e400", "-1e308", "9" * 400, str(2**64)])
    def test_numbers_of_any_size(self, app: Flask, number: str) -> None:
        body = f'{{"payload": {{"a": {number}}}, "session_id": {number}}}'
        assert app.test_client().post(URL, data=body).status_code == 422
        assert len(kept(app)) == 1


class TestRedaction:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("nothing", "nothing"),
            ("ask ada@example.com, or bo.b+x@example.co.uk!", "ask [email], or [email]!"),
            ("4111 1111 1111 1111", "[number]"),
            ("4111111111111111", "[number]"),
            ("top 10 of 2026", "top 10 of 2026"),
        ],
    )
    def test_addresses_and_long_numbers_are_replaced(self, text: str, expected: str) -> None:
        assert redacted(text) == expected
        assert redacted({text: [{"a": text}, 1, None, True]}) == {
            expected: [{"a": expected}, 1, None, True]
        }

    def test_what_replay_needs_stays_and_nothing_else(self, app: Flask) -> None:
        same = {"session_id": EMAIL, "event_id": "1234567890", "email": EMAIL, "age_ms": 12345678}
        post(app, event_type=EMAIL, payload={"q": EMAIL}, note="1234567", **same)
        post(app, session_id={"mail": EMAIL}, email=[EMAIL])
        whole, nested = (json.loads(row.sample) for row in kept(app))
        assert {name: whole[name] for name in same} == same
        assert (whole["event_type"], whole["payload"]) == (EMAIL, {"q": "[email]"})
        assert whole["note"] == "[number]"
        assert EMAIL not in json.dumps(nested)


class TestBounds:
    def test_the_oldest_go(self, make_app: MakeApp) -> None:
        app = make_app(keep=5)
        for number in range(12):
            post(app, event_type=f"type-{number}")
        assert [row.event_type for row in kept(app)] == [f"type-{n}" for n in range(7, 12)]

    def test_gaps_are_not_counted_as_rows(self, make_app: MakeApp) -> None:
        app = make_app(keep=5)
        for number in range(5):
            post(app, event_type=f"type-{number}")
        with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
            connection.execute(text("DELETE FROM user_event_rejections WHERE id IN (2, 3, 4)"))
        for number in range(5, 8):
            post(app, event_type=f"type-{number}")
        assert [row.event_type for row in kept(app)] == [f"type-{n}" for n in (0, 4, 5, 6, 7)]

    def test_a_flood_is_counted_and_not_written(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rejections_module, "WRITES_PER_SECOND", WRITES_PER_SECOND)
        monkeypatch.setattr(rejections_module, "monotonic", lambda: 1000.5)
        for _ in range(WRITES_PER_SECOND + 15):
            assert post(app, event_type="x").status_code == 422
        assert len(kept(app)) == WRITES_PER_SECOND
        assert noted(app) == {"kept": 20, "left_out": 15}
        monkeypatch.setattr(rejections_module, "monotonic", lambda: 1001.5)
        post(app, event_type="x")
        assert len(kept(app)) == WRITES_PER_SECOND + 1

    def test_of_a_large_batch_some_are_kept(self, make_app: MakeApp) -> None:
        app = make_app(max_batch_events=ROWS_PER_WRITE + 10)
        batch(app, *[{"event_type": "x"}] * (ROWS_PER_WRITE + 10))
        assert len(kept(app)) == ROWS_PER_WRITE
        assert noted(app) == {"kept": ROWS_PER_WRITE, "left_out": 10}

    def test_processes_that_keep_at_once_keep_no_more(self, make_app: MakeApp) -> None:
        app = make_app(keep=10)
        post(app, event_type="x")  # the first request sets things up

        def flood() -> None:
            for _ in range(10):
                post(app, event_type="x")

        threads = [threading.Thread(target=flood) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        post(app, event_type="last")
        assert len(kept(app)) <= 10


class TestTrouble:
    def test_it_changes_no_answer_and_is_said_once(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(rejections_module, "monotonic", lambda: now[0])
        good = post(app, event_type="x")
        rename(app, "user_event_rejections", "elsewhere")
        with capture_logs() as logs:
            for _ in range(4):
                answer = post(app, event_type="x")
                assert (answer.status_code, answer.data) == (422, good.data)
                now[0] += 6
            assert batch(app, card_click(), 7).status_code == 202
        said = [entry for entry in logs if entry["event"] == "tcs_events.rejections_not_kept"]
        assert [(entry["reason"], entry["log_level"]) for entry in said] == [
            ("there is no table user_event_rejections", "warning")
        ]
        assert "create_all" in said[0]["remedy"]
        assert noted(app) == {"kept": 1, "failed": 5}

        rename(app, "elsewhere", "user_event_rejections")

        def is_kept_again() -> bool:  # soon: after a failure a busy database gets little time
            now[0] += 6
            post(app, event_type="back")
            return len(kept(app)) > 1

        wait_until(is_kept_again)
        assert [row.event_type for row in kept(app)] == ["x", "back"]

    def test_after_a_failure_none_is_tried_for_a_while(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[int] = []

        def fail(rows: Any) -> None:
            tried.append(len(rows))
            raise RuntimeError("whatever it is")

        monkeypatch.setattr(keeper(app)._store, "append", fail)
        for _ in range(5):
            assert post(app, event_type="x").status_code == 422
        assert tried == [1]
        assert noted(app) == {"left_out": 4, "failed": 1}

    def test_a_locked_table_holds_the_answer_up_for_a_moment_only(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post(app, event_type="x")
        store = keeper(app)._store
        monkeypatch.setattr(store._group_commit, "_timeout_seconds", 0.1)
        with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
            connection.execute(text("DELETE FROM user_event_rejections"))
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK user_event_rejections IN ACCESS EXCLUSIVE MODE"))
            assert post(app, event_type="x").status_code == 422
        assert noted(app)["failed"] == 1


def rename(app: Flask, table: str, name: str) -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_an_event_that_the_database_refuses_is_kept_like_others(
    make_host: MakeHost, tmp_path: Path
) -> None:
    app = make_host(f"sqlite:///{tmp_path}/app.db", TCS_EVENTS_KEEP_REJECTED=10)
    assert post(app).status_code == 202
    with app.app_context():
        connection = registration_of(app).store.own_connection(time.monotonic() + 5)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, SAMPLE_MAX_BYTES)
    too_long = {"expert_id": "ada", "context": "x" * SAMPLE_MAX_BYTES}
    assert post(app, payload=too_long).status_code == 422
    [row] = kept(app)
    assert (row.event_type, row.session_id) == ("card_click", card_click()["session_id"])
    assert row.size_bytes > SAMPLE_MAX_BYTES
