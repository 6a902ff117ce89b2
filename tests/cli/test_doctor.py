"""The doctor finds what would keep events from being stored, or from being safe, and the remedy."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from structlog.testing import capture_logs

from tcs_events.cli.doctor import database
from tcs_events.models import own_metadata
from tcs_events.tally import RECEIVED, _write_rows
from tests.cli.asking import click, lines, run, save
from tests.conftest import MakeHost

NOW = datetime.now(UTC)


def doctor(app: Flask) -> tuple[int, dict[str, tuple[str, str]]]:
    """Return the exit code, and by what was looked at how it is and what is to be done."""
    with capture_logs():
        result = run(app, "doctor", "--json")
    document: dict[str, Any] = json.loads(result.stdout)
    assert (document["status"] == "wrong") is (result.exit_code == 1)
    return result.exit_code, {
        finding["what"]: (finding["level"], finding["remedy"]) for finding in document["findings"]
    }


def trouble(app: Flask, what: str) -> tuple[int, str, str]:
    """Return the exit code, and what is said of one thing, which alone is not as it should be."""
    code, findings = doctor(app)
    not_ok = {name: found for name, found in findings.items() if found[0] != "ok"}
    assert [name for name in not_ok if not name.startswith(what)] == []
    [(level, remedy)] = not_ok.values()
    return code, level, remedy


def execute(app: Flask, *statements: str) -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_all_is_well_with_new_tables(host: Flask) -> None:
    code, findings = doctor(host)
    assert code == 0
    assert {level for level, _ in findings.values()} == {"ok"}
    for name in own_metadata.tables:
        assert findings[f"table {name}"] == ("ok", "")
    assert any(name.startswith("extras: ") for name in findings)
    durable = {
        "sqlite": "SQLite journal wal, synchronous FULL",
        "postgresql": "PostgreSQL synchronous_commit on",
    }
    with host.app_context():
        assert durable[host.extensions["sqlalchemy"].engine.dialect.name] in findings


DRIFT = {
    "a renamed column": (
        "ALTER TABLE user_events RENAME COLUMN session_id TO session",
        "it lacks session_id; nothing fills its column session, which may not be null",
    ),
    "a dropped column": ("ALTER TABLE user_events DROP COLUMN received_at", "it lacks received_at"),
    "a column of the host's": (
        "ALTER TABLE user_events ADD COLUMN site INTEGER NOT NULL DEFAULT 1",
        "",
    ),
    "a dropped index": (
        "DROP INDEX ix_user_events_event_type_created_at",
        "it has no index on event_type, created_at",
    ),
}


@pytest.mark.parametrize("name", DRIFT)
def test_tables_that_are_not_as_they_should_be_are_described(host: Flask, name: str) -> None:
    statement, words = DRIFT[name]
    execute(host, statement)
    if words:
        code, level, remedy = trouble(host, "table user_events")
        assert (code, level) == (1, "wrong")
        assert remedy.startswith(words)
        assert remedy.endswith("; mend it with `flask db migrate` and `flask db upgrade`")
    else:
        assert doctor(host)[0] == 0


def test_wrong_types_and_missing_uniqueness_are_described_on_postgresql(
    make_host: MakeHost, postgres_url: str
) -> None:
    app = make_host(postgres_url)
    execute(
        app,
        "ALTER TABLE user_events ALTER email TYPE varchar(100)",
        "ALTER TABLE user_events ALTER payload TYPE integer USING 1",
        "ALTER TABLE user_events ALTER created_at TYPE timestamp",
        "ALTER TABLE user_events DROP CONSTRAINT user_events_event_id_key",
    )
    code, _, remedy = trouble(app, "table user_events")
    assert code == 1
    for words in (
        "email has room for 100 characters, not 320",
        "payload is integer, not json",
        "created_at has no time zone",
        "event_id should be unique",
    ):
        assert words in remedy


def test_wrong_types_and_missing_uniqueness_are_described_on_sqlite(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    execute(
        app,
        "DROP TABLE user_event_identities",
        "CREATE TABLE user_event_identities (identity_id CHAR(32), session_id VARCHAR(64),"
        " id INTEGER PRIMARY KEY, email VARCHAR(320), created_at INTEGER, received_at DATETIME)",
    )
    code, _, remedy = trouble(app, "table user_event_identities")
    assert code == 1
    for words in (
        "created_at is integer, not time",
        "identity_id should be unique",
        "it has no index on email; it has no index on session_id",
    ):
        assert words in remedy


def test_a_damaged_file_is_found(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    save(app, *(click(session=f"visitor-{number}") for number in range(300)))
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    pages = path.read_bytes()
    path.write_bytes(pages[:-4096] + bytes([7]) * 4096)
    code, level, remedy = trouble(app, "SQLite integrity")
    assert (code, level) == (1, "wrong")
    assert remedy == "the file is damaged; restore it from a backup"


def test_a_disk_that_is_almost_full_is_a_hint(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_host(sqlite_url)
    little = shutil.disk_usage("/")._replace(free=5 * 1024 * 1024)
    monkeypatch.setattr(database.shutil, "disk_usage", lambda _: little)
    assert trouble(app, "SQLite file") == (0, "hint", "its disk has 5 MiB left; make room")


def test_a_file_that_may_only_be_read_is_wrong(make_host: MakeHost, sqlite_url: str) -> None:
    make_host(sqlite_url)
    path = sqlite_url.removeprefix("sqlite:///")
    app = make_host(f"sqlite:///file:{path}?mode=ro&uri=true", create=False)
    code, level, remedy = trouble(app, "SQLite file")
    assert (code, level) == (1, "wrong")
    assert remedy.startswith("the database is read-only")


def test_a_server_that_only_reads_is_wrong(make_host: MakeHost, postgres_url: str) -> None:
    app = make_host(postgres_url)
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    execute(app, f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on")
    engine.dispose()
    code, level, remedy = trouble(app, "PostgreSQL read-only")
    assert (code, level) == (1, "wrong")
    assert "connect to the primary one" in remedy


def test_commits_that_are_not_synced_are_shown_where_the_host_wants_that(
    make_host: MakeHost, database_url: str
) -> None:
    code, findings = doctor(make_host(database_url, TCS_EVENTS_DURABILITY="lost_on_power_cut"))
    assert code == 0
    shown = {"SQLite journal wal, synchronous NORMAL", "PostgreSQL synchronous_commit off"}
    assert shown & set(findings)


def test_a_database_in_memory_is_a_hint(make_host: MakeHost) -> None:
    code, level, remedy = trouble(make_host("sqlite://"), "database")
    assert (code, level) == (0, "hint")
    assert remedy.startswith("it is in memory")


@pytest.mark.parametrize(("seconds", "words"), [(90, "90 s ahead of"), (-90, "90 s behind")])
def test_clocks_that_differ_are_a_hint(seconds: int, words: str) -> None:
    finding = database._clock(NOW + timedelta(seconds=seconds), NOW)
    assert finding.level == "hint"
    assert words in finding.remedy
    assert database._clock(NOW + timedelta(seconds=1), NOW).level == "ok"


def test_an_event_of_the_future_is_a_hint(host: Flask) -> None:
    run(host, "rollup")
    save(host, click(received_at=NOW + timedelta(hours=1)))
    code, level, remedy = trouble(host, "times of events")
    assert (code, level) == (0, "hint")
    assert remedy.endswith("clocks of all web hosts by NTP")


def test_old_counts_of_reports_are_a_hint(host: Flask) -> None:
    save(host, click())
    assert trouble(host, "counts of reports")[2].startswith("they were never made;")
    run(host, "rollup")
    assert doctor(host)[0] == 0
    old = NOW - timedelta(hours=3)
    execute(host, f"UPDATE user_event_rollup_state SET refreshed_at = '{old:%Y-%m-%d %H:%M:%S}+00'")
    assert trouble(host, "counts of reports")[2].startswith("they are 3 hours old;")


def test_events_that_failed_lately_are_a_hint(host: Flask) -> None:
    today = NOW.date()
    with host.app_context(), host.extensions["sqlalchemy"].engine.begin() as connection:
        rows = {(today, RECEIVED, ""): 5, (today, "accepted", ""): 3, (today, "failed", "Full"): 2}
        _write_rows(connection, "p", rows)
    code, level, remedy = trouble(host, "outcomes since yesterday: 5 received, 5 ended")
    assert (code, level) == (0, "hint")
    assert remedy.startswith("2 were not stored at their first attempt (Full 2);")


def test_what_the_doctor_sends_is_counted_as_nobodys_event(host: Flask) -> None:
    doctor(host)
    host.extensions["tcs_events"].tally._at_exit()
    assert "outcomes since yesterday: 0 received, 0 ended" in doctor(host)[1]


def test_every_line_begins_with_how_it_is(host: Flask) -> None:
    with capture_logs():
        said = lines(host, "doctor")
    assert {line[:7].strip() for line in said} == {"ok"}
    assert "hunter2" not in "".join(said)
