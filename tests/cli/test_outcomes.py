"""`outcomes` tells operators how the events of each day ended, in all processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Flask

from tcs_events.event import Outcome
from tcs_events.watch.tally import RECEIVED, Key, _write_rows
from tests.cli.asking import ask, lines

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
LONG_AGO = TODAY - timedelta(days=7)


def count(app: Flask, process: str, rows: dict[Key, int]) -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        _write_rows(connection, process, rows)


def counted(app: Flask) -> None:
    count(app, "a", {(YESTERDAY, RECEIVED, ""): 3, (YESTERDAY, "accepted", ""): 3})
    count(app, "b", {(YESTERDAY, RECEIVED, ""): 2, (YESTERDAY, "accepted", ""): 1})
    count(app, "b", {(YESTERDAY, "invalid", "payload"): 1})
    count(app, "b", {(TODAY, RECEIVED, ""): 9, (TODAY, "failed", "Timeout"): 7})
    count(app, "b", {(LONG_AGO, RECEIVED, ""): 1, (LONG_AGO, "bot", "header"): 1})


def test_no_events_are_a_sentence_and_no_rows(host: Flask) -> None:
    assert lines(host, "outcomes") == [
        f"No events were received since {TODAY - timedelta(days=6)} (UTC)."
    ]
    assert ask(host, "outcomes") == {
        "period": {"first": str(TODAY - timedelta(days=6)), "last": str(TODAY)},
        "timezone": "UTC",
        "rows": [],
    }


def test_the_processes_are_added_up_by_day(host: Flask) -> None:
    counted(host)
    none = dict.fromkeys(map(str, Outcome), 0)
    assert ask(host, "outcomes")["rows"] == [
        {
            "day": str(YESTERDAY),
            "received": 5,
            "ended": 5,
            "events": none | {"accepted": 4, "invalid": 1},
            "reasons": {"invalid": {"payload": 1}},
        },
        {
            "day": str(TODAY),
            "received": 9,
            "ended": 7,
            "events": none | {"failed": 7},
            "reasons": {"failed": {"Timeout": 7}},
        },
    ]
    assert next(day["day"] for day in ask(host, "outcomes", "--days", "8")["rows"]) == str(LONG_AGO)


def test_the_table_says_whether_the_sum_holds(host: Flask) -> None:
    counted(host)
    _, yesterday, today, _, _, failed, invalid = [line.split() for line in lines(host, "outcomes")]
    assert yesterday == [str(YESTERDAY), "5", "yes", "4", "0", "1", "0", "0", "0", "0"]
    assert today == [str(TODAY), "9", "+2", "0", "0", "0", "0", "0", "0", "7"]
    assert [failed, invalid] == [["failed", "Timeout", "7"], ["invalid", "payload", "1"]]
