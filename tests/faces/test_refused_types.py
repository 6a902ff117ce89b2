"""The log names the type of a refused event, which may be misspelt, and nothing else of it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from structlog.testing import capture_logs

from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, post

WORDS = ["card_clik", "cart.opened", "shop:paid", "sign-up", "A", "7", "x" * 50, "Order2"]
OTHERS: list[Any] = [
    "", " ", "two words", "x" * 51, "ada@example.com", "line\nbreak", "\x1b[31m", "<b>", "a;b", "ü",
    "030 1234567", "4917012345678", "030-123-45-67", "a\u202eb", "'", '"', "{}", "%s", "\N{OWL}",
    None, 7, True, ["card_clik"], {"card_clik": 1}, ...,
]  # fmt: skip


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url)
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    post(app)  # the first request says more: whether the table is there
    return app


def line(logs: list[Any], name: str) -> dict[str, Any]:
    [found] = [entry for entry in logs if entry["event"] == f"tcs_events.{name}"]
    return dict(found)


@pytest.mark.parametrize("word", WORDS)
def test_a_plain_word_is_named(app: Flask, word: str) -> None:
    with capture_logs() as logs:
        post(app, event_type=word, session_id="canary", payload={"canary": "canary"})
    assert line(logs, "event_invalid") == {
        "event": "tcs_events.event_invalid",
        "log_level": "info",
        "fields": ["event_type"],
        "event_type": word,
    }


@pytest.mark.parametrize("text", OTHERS, ids=repr)
def test_nothing_else_is(app: Flask, text: Any) -> None:
    with capture_logs() as logs:
        post(app, event_type=text, session_id="canary", payload={"canary": "canary"})
    assert line(logs, "event_invalid") == {
        "event": "tcs_events.event_invalid",
        "log_level": "info",
        "fields": ["event_type"],
    }


def test_it_is_named_whatever_else_was_wrong(app: Flask) -> None:
    with capture_logs() as logs:
        post(app, session_id="", payload="canary")
    found = line(logs, "event_invalid")
    assert (found["event_type"], found["fields"]) == ("card_click", ["payload", "session_id"])


def test_a_batch_names_the_types_of_its_refused_events(app: Flask) -> None:
    sent = [card_click(), card_click(event_type="b"), card_click(event_type="a"), 7]
    sent += [card_click(event_type="b"), card_click(event_type="ada@example.com")]
    with capture_logs() as logs:
        app.test_client().post(f"{URL}/batch", json={"events": sent})
    assert line(logs, "batch_answered") == {
        "event": "tcs_events.batch_answered",
        "log_level": "info",
        "accepted": 1,
        "duplicates": 0,
        "rejected": 5,
        "fields": ["_schema", "event_type"],
        "event_types": ["a", "b"],
    }


def test_a_batch_names_ten_types_at_most(app: Flask) -> None:
    sent = [card_click(event_type=f"type_{number:02}") for number in range(50)]
    with capture_logs() as logs:
        app.test_client().post(f"{URL}/batch", json={"events": sent})
    assert line(logs, "batch_answered")["event_types"] == [f"type_{n:02}" for n in range(10)]
