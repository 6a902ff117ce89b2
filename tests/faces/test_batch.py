"""A batch is one transaction. Every event has a result, and none is left out silently."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from flask import Flask
from structlog.testing import capture_logs
from werkzeug.test import TestResponse, create_environ

from tests.conftest import MakeHost
from tests.support import URL, card_click, post, stored

ONE = "5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11"
TWO = "0b9f4a3e-6f0e-4a52-9a55-3f1f6d6a1c8e"


def post_batch(app: Flask, *events: object) -> TestResponse:
    return app.test_client().post(f"{URL}/batch", json={"events": list(events)})


def test_all_good_events_are_stored(app: Flask) -> None:
    answer = post_batch(app, *(card_click(session_id=f"visitor-{n}") for n in range(50)))

    assert (answer.status_code, answer.json) == (
        202,
        {"accepted": 50, "duplicates": 0, "rejected": []},
    )
    assert [row["session_id"] for row in stored(app)] == [f"visitor-{n}" for n in range(50)]


def test_a_bad_event_is_named_by_its_place_and_its_neighbours_are_stored(app: Flask) -> None:
    answer = post_batch(
        app,
        card_click(session_id="first"),
        card_click(event_type="nope", event_id="no id"),
        "not an object",
        card_click(payload={"n": 2**60}),
        card_click(payload={"text": "\0"}),
        card_click(session_id="last"),
    )

    assert answer.status_code == 202
    assert (answer.json["accepted"], answer.json["duplicates"]) == (2, 0)
    rejected = {item["index"]: set(item["errors"]) for item in answer.json["rejected"]}
    assert rejected == {
        1: {"event_type", "event_id"},
        2: {"_schema"},
        3: {"_schema"},
        4: {"_schema"},
    }
    assert [row["session_id"] for row in stored(app)] == ["first", "last"]


def test_an_event_has_the_same_verdict_in_a_batch_as_alone(app: Flask) -> None:
    bad = card_click(session_id="", email="nobody")
    alone = post(app, session_id="", email="nobody")
    [rejected] = post_batch(app, bad).json["rejected"]
    assert rejected == {"index": 0, **alone.json}
    assert [detail["path"] for detail in rejected["details"]] == ["session_id"] * 2


def deep(levels: int) -> dict[str, Any]:
    """Return an event with lists down to a level; the event itself is level 1."""
    value: list[Any] = []
    for _ in range(levels - 3):
        value = [value]
    return card_click(payload={"v": value})


def test_an_event_may_be_as_deep_in_a_batch_as_alone(app: Flask) -> None:
    answer = post_batch(app, deep(32), deep(33))
    assert answer.json["accepted"] == 1
    assert [item["index"] for item in answer.json["rejected"]] == [1]


@pytest.mark.parametrize("size", [3, 40], ids=["few", "many"])
def test_repeated_ids_are_duplicates_and_the_first_one_stands(app: Flask, size: int) -> None:
    post(app, event_id=ONE, session_id="from before")
    fill = [card_click() for _ in range(size)]
    answer = post_batch(
        app,
        card_click(event_id=ONE, session_id="again"),
        card_click(event_id=TWO, session_id="first of two"),
        card_click(event_id=TWO, session_id="second of two"),
        *fill,
    )

    assert answer.json == {"accepted": 1 + size, "duplicates": 2, "rejected": []}
    sessions = [row["session_id"] for row in stored(app)]
    assert sessions.count("from before") == sessions.count("first of two") == 1
    assert len(sessions) == 2 + size


def test_a_batch_sent_again_stores_nothing_and_is_202(app: Flask) -> None:
    events = [card_click(event_id=ONE), card_click(event_id=TWO)]
    post_batch(app, *events)
    answer = post_batch(app, *events)
    assert (answer.status_code, answer.json["duplicates"]) == (202, 2)
    assert len(stored(app)) == 2


def test_a_batch_without_a_good_event_is_422(app: Flask) -> None:
    answer = post_batch(app, card_click(event_type="nope"))
    assert answer.status_code == 422
    assert answer.json["accepted"] == 0
    assert [item["index"] for item in answer.json["rejected"]] == [0]
    assert stored(app) == []


@pytest.mark.parametrize("body", [{}, {"events": {}}, {"events": None}, [], [card_click()], "x"])
def test_what_is_no_batch_is_422(app: Flask, body: object) -> None:
    answer = app.test_client().post(f"{URL}/batch", json=body)
    assert answer.status_code == 422
    assert answer.json["errors"] == {"events": ["Must be a list of events."]}
    assert [detail["code"] for detail in answer.json["details"]] == ["type"]


def test_an_empty_batch_and_one_over_the_limit_are_refused_whole(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_MAX_BATCH_EVENTS=2)
    for events, message in (([], "not 0"), ([card_click()] * 3, "not 3")):
        answer = post_batch(app, *events)
        assert answer.status_code == 422
        assert answer.json["errors"] == {"events": [f"Must be 1 to 2 events, {message}."]}
        assert [detail["code"] for detail in answer.json["details"]] == ["not_allowed"]
    assert stored(app) == []
    assert post_batch(app, card_click(), card_click()).status_code == 202


def test_a_batch_over_the_limit_of_bytes_is_413(app: Flask) -> None:
    assert post_batch(app, *[card_click()] * 1000).status_code == 413
    assert stored(app) == []


def test_a_batch_without_a_table_is_503(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, create=False)
    answer = post_batch(app, card_click())
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_a_batch_is_one_log_line_that_counts(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    post(app)
    with capture_logs() as logs:
        post_batch(app, card_click(), card_click(event_id="canary"), card_click(session_id=""))
    assert logs == [
        {
            "event": "tcs_events.batch_answered",
            "log_level": "info",
            "accepted": 1,
            "duplicates": 0,
            "rejected": 2,
            "fields": ["event_id", "session_id"],
            "event_types": ["card_click"],
        }
    ]


@pytest.mark.parametrize("path", [URL, f"{URL}/batch"])
def test_a_body_is_let_go_of_before_its_events_are_stored(
    app: Flask, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Otherwise the body, its values and its rows would take memory at the same time."""
    gone: list[bool] = []
    gone_when_stored: list[bool] = []

    class Body(bytes):
        def __del__(self) -> None:
            gone.append(True)

    class Input:
        """Keeps no reference to the body that it returns, like a server."""

        bodies: ClassVar = [Body(json.dumps({**card_click(), "events": [card_click()]}).encode())]
        length = len(bodies[0])

        def read(self, size: int) -> bytes:
            return self.bodies.pop() if self.bodies else b""

    post(app)
    store = app.extensions["tcs_events"].store
    append = store.append

    def look(*args: Any) -> Any:
        gone_when_stored.append(bool(gone))
        return append(*args)

    monkeypatch.setattr(store, "append", look)
    environ = create_environ(path, method="POST", content_type="application/json")
    environ |= {"wsgi.input": Input(), "CONTENT_LENGTH": str(Input.length)}
    statuses: list[str] = []
    list(app(environ, lambda status, headers, *_: statuses.append(status)))  # type: ignore[arg-type, return-value]
    assert [status[:3] for status in statuses] == ["202"]
    assert gone_when_stored == [True]
