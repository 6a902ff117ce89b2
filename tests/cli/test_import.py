"""Files that are imported: what is stored of them, and that it is stored once."""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from marshmallow import Schema, fields

from tcs_events import EventType, UserEvent, event_accepted
from tcs_events.errors import StoreUnavailable
from tests.cli.asking import (
    NOON,
    ask,
    click,
    database_url_of,
    eventually,
    query,
    run,
    running,
    save,
)
from tests.conftest import MakeHost
from tests.support import need_module, stored

COLUMNS = "session_id,event_type,created_at"
GOOD = "v1,card_click,2026-03-01T12:00:00Z"


class Booking(Schema):
    room_id = fields.String(required=True)
    nights = fields.Integer(load_default=1)


@pytest.fixture
def booking_host(make_host: MakeHost, sqlite_url: str) -> Flask:
    types = [EventType("booking_done", Booking), EventType("sign_up"), EventType("pageview")]
    return make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=types)


def rows(app: Flask) -> list[dict[str, Any]]:
    """Return what is stored, without the numbers of the rows."""
    with app.app_context():
        return [
            {name: getattr(event, name) for name in UserEvent.__table__.columns.keys()[1:]}
            for event in UserEvent.query.order_by(UserEvent.id)
        ]


def written(folder: Path, text: str | bytes, name: str = "events.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def imported(app: Flask, *args: str, exit_code: int = 0) -> Result:
    result = run(app, "import", *args)
    assert result.exit_code == exit_code, result.output
    return result


def counts(app: Flask, *args: str) -> tuple[int, int, int]:
    """Import a file, and return how many rows were stored, were there before, and refused."""
    result = run(app, "import", *args, "--json")
    assert result.exit_code in (0, 3), result.output
    found = json.loads(result.stdout)
    assert found["rows"] == found["stored"] + found["duplicates"] + found["refused"]
    return found["stored"], found["duplicates"], found["refused"]


class TestOwnExports:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("events.ndjson", []),
            ("events.csv", []),
            ("events.csv", ["--raw"]),
            ("events.parquet", []),
        ],
    )
    def test_what_is_exported_and_imported_is_the_same(
        self, host: Flask, tmp_path: Path, name: str, options: list[str]
    ) -> None:
        if name.endswith("parquet"):
            need_module("pyarrow")
        save(
            host,
            query('a "quoted", text;\r\nof two lines', "-begins-like-a-formula", "x"),
            query("Zoë 日本 🦜 ‮", "visitor 2"),
            click(payload={"n": [1, 2.5, -3, True, None, {"deep": {}}]}, email="ada@example.com"),
            click(created_at=NOON.replace(microsecond=123456) - timedelta(days=3000)),
            click(payload={}, received_at=NOON + timedelta(hours=1)),
        )
        before, target = rows(host), tmp_path / name
        assert run(host, "export", str(target), *options).exit_code == 0
        assert counts(host, str(target)) == (0, 5, 0)
        with host.app_context():
            UserEvent.query.delete()
            host.extensions["sqlalchemy"].session.commit()
        assert counts(host, str(target)) == (5, 0, 0)
        assert rows(host) == before

    def test_a_payload_that_todays_schema_refuses_comes_back_as_it_was(
        self, booking_host: Flask, tmp_path: Path
    ) -> None:
        save(booking_host, click(event_type="booking_done", payload={"old": True}))
        target = tmp_path / "events.ndjson"
        run(booking_host, "export", str(target))
        with booking_host.app_context():
            UserEvent.query.delete()
            booking_host.extensions["sqlalchemy"].session.commit()
        assert counts(booking_host, str(target)) == (1, 0, 0)
        assert rows(booking_host)[0]["payload"] == {"old": True}

    def test_days_of_the_past_are_counted_by_the_next_refresh(
        self, host: Flask, tmp_path: Path
    ) -> None:
        save(host, click(), click(session="another"))
        target = tmp_path / "events.csv"
        run(host, "export", str(target))
        with host.app_context():
            UserEvent.query.delete()
            host.extensions["sqlalchemy"].session.commit()
        save(host, click(created_at=NOON + timedelta(days=3)))
        assert ask(host, "rollup")["events"] == 1
        assert counts(host, str(target)) == (2, 0, 0)
        assert "2026-03-02" in ask(host, "rollup")["days"]


class TestAnyCsv:
    def test_columns_are_mapped_and_the_schema_makes_the_payload(
        self, booking_host: Flask, tmp_path: Path
    ) -> None:
        file = written(
            tmp_path,
            "when;who;room_id;nights;mail;note\r\n"
            "2026-03-01 12:00:00 UTC;v1;7;3;ada@example.com;\r\n"
            "1772366400;v1;8;;;x\r\n",
        )
        names = ["created_at=when", "session_id=who", "email=mail"]
        args = [each for name in names for each in ("--map", name)]
        args += ["--event-type", "booking_done", "--payload", "room_id,nights"]
        assert counts(booking_host, file, *args) == (2, 0, 0)
        first, second = rows(booking_host)
        assert first["payload"] == {"room_id": "7", "nights": 3}
        assert first["created_at"] == second["created_at"] == datetime(2026, 3, 1, 12, tzinfo=UTC)
        assert (first["session_id"], first["email"]) == ("v1", "ada@example.com")
        assert second["payload"] == {"room_id": "8", "nights": 1}
        assert datetime.now(UTC) - first["received_at"] < timedelta(minutes=10)

    def test_all_other_columns_are_the_payload(self, booking_host: Flask, tmp_path: Path) -> None:
        file = written(tmp_path, f"{COLUMNS},plan,empty\nv1,sign_up,2026-03-01,pro,\n")
        assert counts(booking_host, file) == (1, 0, 0)
        assert rows(booking_host)[0]["payload"] == {"plan": "pro"}

    def test_a_row_is_stored_once_by_its_id_or_by_all_it_says(
        self, booking_host: Flask, tmp_path: Path
    ) -> None:
        lines = [
            "v1,sign_up,2026-03-01,a,1",
            "v1,sign_up,2026-03-01,b,1",
            "v1,sign_up,2026-03-01,b,2",
        ]
        text = "\n".join([f"{COLUMNS},plan,number", *lines])
        file = written(tmp_path, text)
        assert counts(booking_host, file, "--map", "event_id=number") == (2, 1, 0)
        assert counts(booking_host, file) == (3, 0, 0)
        assert counts(booking_host, written(tmp_path, text + "\nv2,sign_up,2026-03-01,b,2\n")) == (
            1,
            3,
            0,
        )

    def test_what_is_not_declared_is_refused_unless_any_type_is_stored(
        self, booking_host: Flask, tmp_path: Path
    ) -> None:
        file = written(tmp_path, f"{COLUMNS}\nv1,gone,2026-03-01\nv1,sign_up,2026-03-01\n")
        result = imported(booking_host, file, exit_code=3)
        assert "Line 2: the event type 'gone' is not declared" in result.stderr
        assert "--any-type" in result.stderr
        assert "Not declared: gone (1)." in result.stdout
        assert counts(booking_host, file, "--rename", "gone=pageview") == (1, 1, 0)
        assert counts(booking_host, file, "--any-type") == (1, 1, 0)
        assert {row["event_type"] for row in rows(booking_host)} == {"sign_up", "pageview", "gone"}

    def test_nobody_is_told_of_events_of_the_past(
        self, booking_host: Flask, tmp_path: Path
    ) -> None:
        told: list[object] = []

        def listen(*args: object, **values: object) -> None:
            told.append(args)

        event_accepted.connect(listen)
        assert counts(booking_host, written(tmp_path, f"{COLUMNS}\nv1,sign_up,2026-03-01")) == (
            1,
            0,
            0,
        )
        assert told == []


class TestPresets:
    @pytest.mark.parametrize("kind", ["jsonl", "csv", "jsonl.gz", "parquet"])
    def test_posthog(self, booking_host: Flask, tmp_path: Path, kind: str) -> None:
        properties = {"plan": "pro", "n": 2, "$ip": "192.0.2.1", "$lib": "web", "token": "phc_1"}
        row = {
            "uuid": "018e0000-0000-7000-8000-000000000001",
            "event": "$pageview",
            "distinct_id": "018e-visitor",
            "timestamp": "2026-03-01T12:00:00.250000Z",
            "person_properties": {"email": "ada@example.com"},
        }
        file = tmp_path / f"events.{kind}"
        match kind:
            case "csv":
                cells = [*row.values(), properties]
                texts = [each if isinstance(each, str) else json.dumps(each) for each in cells]
                with file.open("w", newline="") as target:
                    csv.writer(target).writerows([[*row, "properties"], texts])
            case "parquet":
                need_module("pyarrow")
                import pyarrow
                import pyarrow.parquet

                at = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
                column = {"timestamp": at, "properties": json.dumps(properties)}
                table = pyarrow.Table.from_pylist([row | column])
                pyarrow.parquet.write_table(table, file)
            case _:
                line = json.dumps(row | {"properties": properties}).encode()
                file.write_bytes(gzip.compress(line) if kind.endswith("gz") else line)
        assert counts(booking_host, str(file), "--preset", "posthog") == (1, 0, 0)
        assert counts(booking_host, str(file), "--preset", "posthog") == (0, 1, 0)
        [event] = rows(booking_host)
        assert str(event["event_id"]) == row["uuid"]
        assert (event["event_type"], event["session_id"]) == ("pageview", "018e-visitor")
        assert event["payload"] == {"plan": "pro", "n": 2}
        assert event["email"] is None
        assert event["created_at"] == datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)

    def test_ahoy(self, booking_host: Flask, tmp_path: Path) -> None:
        target = io.StringIO()
        csv.writer(target).writerows(
            [
                ["id", "visit_id", "user_id", "name", "properties", "time", "visitor_token"],
                ["1", "9", "5", "Sign Up!", '{"plan": "pro"}', "2026-03-01 12:00:00.5", "token"],
                ["2", "9", "", "sign_up", "{}", "2026-03-01 12:00:01+00", ""],
            ]
        )
        file = written(tmp_path, target.getvalue())
        for expected in ((2, 0, 0), (0, 2, 0)):
            assert counts(booking_host, file, "--preset", "ahoy") == expected
        first, second = rows(booking_host)
        assert first["event_type"] == second["event_type"] == "sign_up"
        assert (first["session_id"], second["session_id"]) == ("token", "9")
        assert (first["payload"], second["payload"]) == ({"plan": "pro"}, {})
        assert first["created_at"] == datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


BAD_ROWS = {
    "no visitor": (",card_click,2026-03-01", "it has no session_id"),
    "a visitor that is not printable": ("\x1b[2J,card_click,2026-03-01", "session_id: Must be"),
    "no time": ("v1,card_click,", "it has no created_at"),
    "a time that is none": ("v1,card_click,yesterday", "created_at is not a time"),
    "a time before all": ("v1,card_click,0001-01-01", "created_at is before 1970"),
    "a time to come": ("v1,card_click,2999-01-01", "created_at is in the future"),
    "a year": ("v1,card_click,2026", "created_at is not a time"),
    "a day of a spreadsheet": ("v1,card_click,45000", "created_at is not a time"),
    "a number that is read by people": ("v1,card_click,202603011200", "created_at is not a time"),
    "a huge number as time": (f"v1,card_click,{'9' * 400}", "created_at is not a time"),
    "a name that is none": ("v1,=cmd|' /C calc'!A0,2026-03-01", "the event type is not a name"),
    "too few cells": ("v1", "it has 1 cells, and the first line names 3"),
    "too many cells": ("v1,card_click,2026-03-01,more", "it has 4 cells"),
    "NUL": ("v\0,card_click,2026-03-01", "NUL"),
    "not UTF-8": (b"v\xff,card_click,2026-03-01", "it is not UTF-8"),
    "a wrong quote": ('"v1"x,card_click,2026-03-01', "it is not CSV"),
}


@pytest.mark.parametrize("text", ["20260301", "1772323200", "1772323200000", "2026-03-01"])
def test_a_day_has_many_forms(sqlite_host: Flask, tmp_path: Path, text: str) -> None:
    imported(sqlite_host, written(tmp_path, f"{COLUMNS}\nv1,card_click,{text}\n".encode()))
    assert [row["created_at"] for row in rows(sqlite_host)] == [datetime(2026, 3, 1, tzinfo=UTC)]


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_named_and_costs_no_other(
    sqlite_host: Flask, tmp_path: Path, name: str
) -> None:
    bad, reason = BAD_ROWS[name]
    line = bad if isinstance(bad, bytes) else bad.encode()
    text = b"\n".join([COLUMNS.encode(), GOOD.encode(), line, GOOD.replace("v1", "v2").encode()])
    file = written(tmp_path, text)
    strict = imported(sqlite_host, file, "--strict", exit_code=1)
    assert "Error: Line 3: " in strict.stderr
    assert [row["session_id"] for row in rows(sqlite_host)] == ["v1"]
    result = imported(sqlite_host, file, exit_code=3)
    assert result.stderr.startswith("Line 3: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert [row["session_id"] for row in rows(sqlite_host)] == ["v1", "v2"]


def line(**changes: object) -> str:
    event = {"session_id": "v1", "event_type": "card_click", "created_at": 1772323200}
    return json.dumps(event | changes)


BAD_LINES = {
    "[]": "it is not a JSON object",
    "{": "it is not valid JSON",
    line(payload=[]): "its payload is not a JSON object",
    line(payload="{"): "of its payload, it is not valid JSON",
    line(n=1e300): "number that is not between",
    line(created_at={"a": 1}): "is not a time",
    line(event_type={}): "is not a name",
    line(session_id=["v1"]): "session_id",
    line(a="deep").replace('"deep"', "[" * 600 + "]" * 600): "nested deeper",
    line(a="\ud800"): "half",
    line(a="x" * 200_000): "TCS_EVENTS_MAX_BODY_BYTES",
}


def test_bad_lines_of_json_are_named(sqlite_host: Flask, tmp_path: Path) -> None:
    file = written(tmp_path, "\n\n".join(BAD_LINES), "events.ndjson")
    said = imported(sqlite_host, file, exit_code=3).stderr.splitlines()
    for number, (reason, text) in enumerate(zip(BAD_LINES.values(), said, strict=True)):
        assert text.startswith(f"Line {2 * number + 1}: ")
        assert reason in text
    assert stored(sqlite_host) == []


class TestHostileFiles:
    def test_a_quote_that_is_never_closed_is_named_where_it_begins(
        self, sqlite_host: Flask, tmp_path: Path
    ) -> None:
        file = written(tmp_path, f'{COLUMNS}\n{GOOD}\n"v2,card_click,2026-03-01\n{GOOD}\n')
        result = imported(sqlite_host, file, exit_code=3)
        assert result.stderr == (
            "Line 3: a quote that it opens is not closed before the end of the file.\n"
        )

    def test_only_the_first_20_are_named(self, sqlite_host: Flask, tmp_path: Path) -> None:
        file = written(tmp_path, "\n".join([COLUMNS, *["v1"] * 50, GOOD]))
        result = imported(sqlite_host, file, exit_code=3)
        assert result.stderr.count("\n") == 20
        assert "Stored 1 events; 0 were stored before; 50 refused." in result.stdout

    def test_a_huge_row_is_passed_over(self, sqlite_host: Flask, tmp_path: Path) -> None:
        huge = f'{{"a": "{"x" * 17 * 1024 * 1024}"}}'
        good = json.dumps(dict(zip(COLUMNS.split(","), GOOD.split(","), strict=True)))
        packed = gzip.compress(f"{huge}\n{good}".encode(), 1)
        file = written(tmp_path, packed, "events.ndjson.gz")
        result = imported(sqlite_host, file, exit_code=3)
        assert result.stderr == "Line 1: it is longer than 16 MiB.\n"
        assert len(stored(sqlite_host)) == 1
        file = written(tmp_path, f"{COLUMNS}\n{huge}\n{GOOD}")
        assert "it is longer than 16 MiB" in imported(sqlite_host, file, exit_code=3).stderr

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("events.csv", "", "does not name columns"),
            ("events.csv", "a,a\n", "names a column twice"),
            ("events.csv", b"\xff\xfea\0", "is in UTF-16; save it as UTF-8."),
            ("events.csv", b"\xff,a\n", "does not name columns in UTF-8"),
            ("events.ndjson.gz", gzip.compress(b"{}\n" * 1000, mtime=0)[:-9], "is damaged"),
            ("events.parquet", "PAR1", "is not a Parquet file"),
            ("events", "", "Choose a format"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_said(
        self, sqlite_host: Flask, tmp_path: Path, name: str, content: str | bytes, message: str
    ) -> None:
        if name.endswith("parquet"):
            need_module("pyarrow")
        result = run(sqlite_host, "import", written(tmp_path, content, name))
        assert result.exit_code in (1, 2)
        assert message in result.stderr
        assert "Traceback" not in result.stderr

    def test_a_byte_order_mark_is_no_part_of_a_name(
        self, sqlite_host: Flask, tmp_path: Path
    ) -> None:
        file = written(tmp_path, f"\ufeff{COLUMNS}\n{GOOD}")
        assert counts(sqlite_host, file) == (1, 0, 0)


def test_a_dry_run_stores_nothing(sqlite_host: Flask, tmp_path: Path) -> None:
    file = written(tmp_path, f"{COLUMNS}\n{GOOD}\nv1\n")
    result = imported(sqlite_host, file, "--dry-run", exit_code=3)
    assert result.stdout == "Would store 1 events; 1 refused.\n"
    assert stored(sqlite_host) == []


def test_a_database_that_fails_for_a_moment_is_waited_for(
    sqlite_host: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, f"{COLUMNS}\n{GOOD}")
    monkeypatch.setattr("tcs_events.importing.importer.PAUSES_SECONDS", (0, 0))
    with sqlite_host.app_context():
        store = sqlite_host.extensions["tcs_events"].store
    append, failures = store.append, [1, 1, 1, 1, 1]

    def failing(*args: Any) -> Any:
        if failures:
            failures.pop()
            raise StoreUnavailable("Busy")
        return append(*args)

    monkeypatch.setattr(store, "append", failing)
    assert run(sqlite_host, "import", file).exit_code == 1
    assert counts(sqlite_host, file) == (1, 0, 0)


SLOWLY = """
import time
from tcs_events.importing.importer import Importer
store_batch = Importer._store_batch
def slowly(self):
    store_batch(self)
    print("stored", flush=True)
    time.sleep(60)
Importer._store_batch = slowly
"""


def test_an_import_that_is_killed_goes_on_when_it_is_run_again(host: Flask, tmp_path: Path) -> None:
    lines = [f"v{number},card_click,2026-03-01T12:00:00Z" for number in range(1200)]
    file = written(tmp_path, "\n".join([COLUMNS, *lines]))
    with running(database_url_of(host), "import", file, program=SLOWLY) as process:
        assert process.line() == "stored"
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
    assert eventually(lambda: len(stored(host)) == 500)
    assert counts(host, file) == (700, 500, 0)
    sessions = [row["session_id"] for row in stored(host)]
    assert sorted(sessions) == sorted(f"v{number}" for number in range(1200))
