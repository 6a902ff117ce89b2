"""The newest events, and those that come."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from flask import Flask
from sqlalchemy import create_engine

from tcs_events import UserEvent
from tests.cli.asking import NOON, ask, click, database_url_of, lines, query, run, running, save
from tests.conftest import MakeHost
from tests.support import post

tail_module = import_module("tcs_events.cli.tail")  # the package has a command of this name
newest_module = import_module("tcs_events.cli.newest")


def test_the_newest_events_are_printed_the_newest_last(host: Flask) -> None:
    save(host, *(click(payload={"n": number}) for number in range(30)))
    assert lines(host, "tail", "--limit", "2") == [
        '2026-03-02 12:00:00  visitor-1  card_click  {"n": 28}',
        '2026-03-02 12:00:00  visitor-1  card_click  {"n": 29}',
    ]
    assert len(lines(host, "tail")) == 20


def test_nothing_stored_prints_nothing(host: Flask) -> None:
    assert lines(host, "tail") == []
    assert ask(host, "tail") == {"rows": []}


def test_json_has_the_columns_of_the_table(host: Flask) -> None:
    save(host, click(), query("flask", created_at=NOON + timedelta(seconds=1)))
    assert [(row["event_type"], row["created_at"]) for row in ask(host, "tail")["rows"]] == [
        ("card_click", "2026-03-02T12:00:00+00:00"),
        ("sage_query", "2026-03-02T12:00:01+00:00"),
    ]
    assert set(ask(host, "tail", "--with-email")["rows"][0]) < set(
        UserEvent.__table__.columns.keys()
    )


def test_only_the_types_asked_for_are_printed(host: Flask) -> None:
    save(host, click(), query("flask"), click(event_type="filter_change"))
    shown = ask(host, "tail", "--type", "sage_query", "--type", "filter_change")["rows"]
    assert [row["event_type"] for row in shown] == ["sage_query", "filter_change"]


@pytest.mark.parametrize("args", [[], ["--json"]])
def test_an_address_is_printed_only_when_asked_for(host: Flask, args: list[str]) -> None:
    save(host, click(email="ada@example.com"))
    assert "ada@" not in run(host, "tail", *args).output
    assert "ada@example.com" in run(host, "tail", "--with-email", *args).output


def test_follow_prints_an_event_that_is_stored_meanwhile(host: Flask) -> None:
    save(host, click("before"))
    with running(database_url_of(host), "tail", "--follow") as tail:
        assert '"before"' in tail.line()
        assert post(host, payload={"expert_id": "meanwhile"}).status_code == 202
        assert '"meanwhile"' in tail.line()
        assert post(host, payload={"expert_id": "later"}).status_code == 202
        assert '"later"' in tail.line()
        assert tail.end(signal.SIGINT) == 0
        assert tail.lines.empty()


def test_follow_with_json_prints_a_document_per_line(host: Flask) -> None:
    with running(database_url_of(host), "tail", "--follow", "--json") as tail:
        save(host, click("one"), click("two"))
        shown = [json.loads(tail.line()) for _ in range(2)]
        assert [row["payload"]["expert_id"] for row in shown] == ["one", "two"]


def test_follow_prints_an_event_that_became_visible_after_its_successor(
    make_host: MakeHost, postgres_url: str
) -> None:
    app = make_host(postgres_url)
    save(app, click("first"))
    slow = create_engine(postgres_url)
    with running(postgres_url, "tail", "--follow") as tail, slow.connect() as connection:
        assert '"first"' in tail.line()
        values = {"session_id": "slow", "event_type": "card_click", "payload": {"n": "slow"}}
        connection.execute(UserEvent.__table__.insert().values(values))
        save(app, click("fast"))
        assert '"fast"' in tail.line()
        connection.commit()
        assert '"slow"' in tail.line()
        tail.end(signal.SIGINT)
        assert tail.lines.empty()
    slow.dispose()


def test_follow_ends_with_the_remedy_when_the_database_goes_away(
    host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_the_table_away(seconds: float) -> None:
        with host.app_context():
            host.extensions["sqlalchemy"].drop_all()

    clock = SimpleNamespace(sleep=take_the_table_away)
    monkeypatch.setattr(tail_module, "time", clock)
    result = run(host, "tail", "--follow")
    assert result.exit_code == 1
    assert "There is no table user_events; run `db.create_all()`" in result.stderr


def test_follow_forgets_what_it_no_longer_needs_to_remember(
    sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(range(0, 10_000, 10))
    monkeypatch.setattr(newest_module, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    with sqlite_host.app_context():
        newest = newest_module.Newest(UserEvent, tail_module._Row, tail_module._Row._fields)
        assert newest.first(5) == []
        for number in range(50):
            save(sqlite_host, click(f"expert-{number}"))
            assert [event.id for event in newest.more()] == [number + 1]
        assert len(newest._read) < 5
        assert len(newest._polls) < 5


class TestRefused:
    @pytest.fixture
    def host(self, make_host: MakeHost, database_url: str) -> Flask:
        return make_host(database_url, TCS_EVENTS_KEEP_REJECTED=100)

    def test_the_newest_are_printed_with_field_and_reason(self, host: Flask) -> None:
        assert post(host).status_code == 202
        assert post(host, event_type="crd_click").status_code == 422
        assert post(host, payload=7).status_code == 422
        first, second = lines(host, "tail", "--refused")
        assert "  visitor-1  crd_click  event_type: Must be one of: card_click, " in first
        assert first.endswith('.  {"context": "grid", "expert_id": "ada"}')
        assert second.endswith("  visitor-1  card_click  payload: Not a valid mapping type.  7")
        assert lines(host, "tail", "--refused", "--limit", "1") == [second]
        assert lines(host, "tail", "--refused", "--type", "crd_click") == [first]

    def test_an_event_that_is_no_object_or_too_long_is_printed_too(self, host: Flask) -> None:
        client = host.test_client()
        client.post("/api/events", json=7)
        post(client, event_type="x", payload={"text": "x" * 9_000})
        first, second = lines(host, "tail", "--refused")
        assert first.endswith("  -  -  the event: Invalid input type.  (what was sent is not kept)")
        assert second.endswith("(what was sent is not kept)")

    @pytest.mark.parametrize("args", [[], ["--json"]])
    def test_an_address_is_printed_only_when_asked_for(self, host: Flask, args: list[str]) -> None:
        post(host, event_type="x", email="ada@example.com")
        assert "ada@" not in run(host, "tail", "--refused", *args).output
        assert "ada@example.com" in run(host, "tail", "--refused", "--with-email", *args).output

    def test_json_has_the_messages_and_what_was_sent(self, host: Flask) -> None:
        post(host, payload=7)
        [row] = ask(host, "tail", "--refused")["rows"]
        assert row["errors"] == {"payload": ["Not a valid mapping type."]}
        assert row["sample"]["payload"] == 7
        assert {"id", "received_at", "session_id", "event_type", "size_bytes"} < set(row)

    def test_hostile_texts_are_printed_visibly(self, host: Flask) -> None:
        text = "\x1b[2J\u202e"
        post(host, event_type=text, session_id=text, payload={text: text})
        [line] = lines(host, "tail", "--refused")
        assert not set(line) & set("\x1b\u202e")

    def test_follow_prints_an_event_that_is_refused_meanwhile(self, host: Flask) -> None:
        post(host, event_type="before")
        keep = 'import os\nos.environ["KEEP_REJECTED"] = "100"'
        with running(database_url_of(host), "tail", "--refused", "-f", program=keep) as tail:
            assert "  before  " in tail.line()
            assert post(host, event_type="meanwhile").status_code == 422
            assert "  meanwhile  event_type: " in tail.line()
            assert tail.end(signal.SIGINT) == 0
            assert tail.lines.empty()

    def test_where_none_are_kept_it_says_what_is_needed(self, sqlite_host: Flask) -> None:
        result = run(sqlite_host, "tail", "--refused", "--follow")
        assert result.exit_code == 2
        assert "TCS_EVENTS_KEEP_REJECTED is 0. Set it to the number" in result.stderr
