"""The doctor finds what would keep events from being stored, or from being safe, and the remedy."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, redirect, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

from tcs_events import events_bp
from tcs_events.cli.doctor import database, place
from tcs_events.models import OPTIONAL_TABLES, own_metadata
from tcs_events.watch.tally import RECEIVED, _write_rows
from tests.cli.asking import click, database_url_of, lines, run, save
from tests.conftest import MakeHost
from tests.drivers import at_port
from tests.pgbouncer import pgbouncer
from tests.redis_server import RedisServer
from tests.support import kind_of, stored

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


def as_text(app: Flask, at: datetime) -> str:
    """Return a time as the app's database reads it. MariaDB refuses one with an offset."""
    zone = "" if kind_of(database_url_of(app)) == "mariadb" else "+00"
    return f"{at:%Y-%m-%d %H:%M:%S}{zone}"


def test_all_is_well_with_new_tables(host: Flask) -> None:
    code, findings = doctor(host)
    assert code == 0
    assert {level for level, _ in findings.values()} == {"ok"}
    checked = {name.removeprefix("table ") for name in findings if name.startswith("table ")}
    assert checked == set(own_metadata.tables) - set(OPTIONAL_TABLES)
    assert any(name.startswith("extras: ") for name in findings)
    durable = {
        "sqlite": "SQLite journal wal (set by tcs_events), synchronous FULL",
        "postgresql": "PostgreSQL synchronous_commit on",
        "mysql": "innodb_flush_log_at_trx_commit 1",
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
    if name == "a dropped index" and kind_of(database_url_of(host)) == "mariadb":
        statement += " ON user_events"
    execute(host, statement)
    if words:
        code, level, remedy = trouble(host, "table user_events")
        assert (code, level) == (1, "wrong")
        assert remedy.startswith(words)
        assert remedy.endswith("; fix it with `flask db migrate` and `flask db upgrade`")
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
    assert "connect to the primary" in remedy


def test_commits_that_are_not_synced_are_shown_where_the_host_wants_that(
    make_host: MakeHost, database_url: str
) -> None:
    code, findings = doctor(make_host(database_url, TCS_EVENTS_DURABILITY="lost_on_power_cut"))
    assert code == 0
    shown = {
        "sqlite": "SQLite journal wal (set by tcs_events), synchronous NORMAL",
        "postgresql": "PostgreSQL synchronous_commit off",
        "mariadb": "innodb_flush_log_at_trx_commit 1",  # only the server's operator can change it
    }
    assert shown[kind_of(database_url)] in findings


POOLED = "PostgreSQL behind a pooler in transaction mode"


def test_a_pooler_is_found_and_what_it_means_for_the_app(
    make_host: MakeHost, postgres_url: str, pgbouncer_port: int
) -> None:
    url = at_port(postgres_url, pgbouncer_port)
    code, level, remedy = trouble(make_host(url), POOLED)
    assert (code, level) == (0, "hint")
    assert remedy.endswith("= {'connect_args': {'prepare_threshold': None}}")
    options = {"connect_args": {"prepare_threshold": None}}
    code, findings = doctor(make_host(url, SQLALCHEMY_ENGINE_OPTIONS=options))
    assert code == 0
    assert findings[f"{POOLED}: our settings end with each transaction"] == ("ok", "")
    assert "PostgreSQL synchronous_commit on" in findings


def test_a_pooler_in_session_mode_needs_nothing(
    make_host: MakeHost, postgres_url: str, postgres_server_url: str
) -> None:
    with pgbouncer(postgres_server_url, "session", pool_size=20) as port:
        code, findings = doctor(make_host(at_port(postgres_url, port)))
    assert code == 0
    assert findings["PostgreSQL behind a pooler: our settings end with each transaction"] == (
        "ok",
        "",
    )
    assert POOLED not in findings


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
    save(host, click(received_at=datetime.now(UTC) + timedelta(hours=1)))
    code, level, remedy = trouble(host, "times of events")
    assert (code, level) == (0, "hint")
    assert remedy.endswith("clocks of all web hosts by NTP")


def test_old_counts_of_reports_are_a_hint(host: Flask) -> None:
    save(host, click())
    assert trouble(host, "counts of reports")[2].startswith("there are none yet;")
    run(host, "rollup")
    assert doctor(host)[0] == 0
    old = datetime.now(UTC) - timedelta(hours=3)
    execute(host, f"UPDATE user_event_rollup_state SET refreshed_at = '{as_text(host, old)}'")
    assert trouble(host, "counts of reports")[2].startswith("they are 3 hours old;")


def test_events_that_failed_lately_are_a_hint(host: Flask) -> None:
    today = datetime.now(UTC).date()
    with host.app_context(), host.extensions["sqlalchemy"].engine.begin() as connection:
        rows = {(today, RECEIVED, ""): 5, (today, "accepted", ""): 3, (today, "failed", "Full"): 2}
        _write_rows(connection, "p", rows)
    code, level, remedy = trouble(host, "outcomes since yesterday: 5 received, 5 ended")
    assert (code, level) == (0, "hint")
    assert remedy.startswith("2 were not stored at the first attempt (Full 2);")


def test_what_the_doctor_sends_is_counted_as_nobodys_event(host: Flask) -> None:
    doctor(host)
    host.extensions["tcs_events"].tally._at_exit()
    assert "outcomes since yesterday: 0 received, 0 ended" in doctor(host)[1]


def test_every_line_begins_with_how_it_is(host: Flask) -> None:
    with capture_logs():
        said = lines(host, "doctor")
    assert {line[:7].strip() for line in said} == {"ok"}
    assert "hunter2" not in "".join(said)


MEDDLING = {
    "sqlite": {
        "drops": "CREATE TRIGGER meddle BEFORE INSERT ON user_events BEGIN SELECT RAISE(IGNORE);"
        " END",
        "changes": "CREATE TRIGGER meddle AFTER INSERT ON user_events BEGIN UPDATE user_events SET"
        " session_id = 'x' WHERE id = NEW.id; END",
    },
    "mysql": {
        "drops": "CREATE TRIGGER meddle BEFORE INSERT ON user_events FOR EACH ROW"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
        "changes": "CREATE TRIGGER meddle BEFORE INSERT ON user_events FOR EACH ROW"
        " SET NEW.session_id = 'x'",
    },
    "postgresql": {
        name: "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body} END $$; CREATE TRIGGER meddle BEFORE INSERT ON user_events"
        " FOR EACH ROW EXECUTE FUNCTION meddle()"
        for name, body in {
            "drops": "RETURN NULL;",
            "changes": "NEW.session_id := 'x'; RETURN NEW;",
        }.items()
    },
}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("drops", "drop the trigger, rule or policy on user_events that drops rows"),
        ("changes", "stored differently from how they were sent: session_id;"),
    ],
)
def test_a_trigger_that_meddles_is_found_by_storing_an_event(
    host: Flask, what: str, words: str
) -> None:
    with host.app_context():
        dialect = host.extensions["sqlalchemy"].engine.dialect.name
    if dialect == "mysql" and what == "drops":  # there, a trigger can only refuse a row
        words = "a trigger of user_events refuses the row; drop the trigger or repair it"
    execute(host, MEDDLING[dialect][what])
    code, findings = doctor(host)
    level, remedy = findings["storing and deleting an event"]
    assert (code, level) == (1, "wrong")
    assert words in remedy
    level, remedy = findings["table user_events"]
    assert level == "hint"
    assert remedy.startswith("it has triggers or rules: meddle; events whose row they drop are")
    assert stored(host) == []


ON_POSTGRESQL = {
    "a sequence behind": (
        "SELECT setval('user_events_id_seq', 1, false)",
        (1, "wrong", "setval(pg_get_serial_sequence('user_events', 'id')"),
    ),
    "a sequence of the counts behind": (
        "INSERT INTO user_event_counters (id, day, process, outcome, reason, events)"
        " VALUES (1, '2026-03-01', 'p', 'received', '', 1)",
        (0, "hint", "setval(pg_get_serial_sequence('user_event_counters', 'id')"),
    ),
    "ids nearly used up": (
        "ALTER SEQUENCE user_events_id_seq MAXVALUE 1000; SELECT setval('user_events_id_seq', 900)",
        (0, "hint", "user_events has used 90% of its ids"),
    ),
    "an integer id at its end": (
        "ALTER TABLE user_event_identities ALTER id TYPE integer;"
        " SELECT setval('user_event_identities_id_seq', 2147483647)",
        (1, "wrong", "ALTER TABLE user_event_identities ALTER COLUMN id TYPE bigint"),
    ),
    "an unlogged table": (
        "ALTER TABLE user_events SET UNLOGGED",
        (1, "wrong", "ALTER TABLE user_events SET LOGGED"),
    ),
    "a view": (
        "ALTER TABLE user_events RENAME TO old; CREATE VIEW user_events AS SELECT * FROM old",
        (1, "wrong", "it is a view"),
    ),
}


@pytest.mark.parametrize("name", ON_POSTGRESQL)
def test_what_postgresql_may_lack_is_found(
    make_host: MakeHost, postgres_url: str, name: str
) -> None:
    app = make_host(postgres_url)
    save(app, click(), click())
    run(app, "rollup")
    statements, (code, level, words) = ON_POSTGRESQL[name]
    execute(app, *statements.split(";"))
    found = doctor(app)
    assert found[0] == code
    assert [one for one in found[1].values() if one[0] == level and words in one[1]], found


def test_a_role_that_may_not_delete_is_a_hint(make_host: MakeHost, postgres_url: str) -> None:
    app = make_host(postgres_url)
    role = f"cautious_{os.getpid()}"
    execute(
        app,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    url = make_url(postgres_url).set(username=role).render_as_string(hide_password=False)
    code, findings = doctor(make_host(url, create=False))
    execute(app, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    level, remedy = findings["storing and deleting an event"]
    assert (code, level) == (0, "hint")
    assert "GRANT DELETE ON user_events TO" in remedy


FROZEN = {
    "an app of another time zone": (
        "UPDATE user_event_rollup_state SET zone = 'Asia/Tokyo'",
        "configuration of the counts",
        "the reports were counted with Asia/Tokyo",
    ),
    "an app of another version": (
        "UPDATE user_event_rollup_state SET version = 99",
        "configuration of the counts",
        "(version 99)",
    ),
    "a clock that was ahead": (
        "UPDATE user_event_rollup_state SET refreshed_at = '{ahead}'",
        "clock of the counts",
        "set the clocks by NTP",
    ),
    "a day that is not counted again": (
        "UPDATE user_event_rollup_days SET events = 1",
        "counts of reports",
        "they lack events of 2026-03-02; run `flask tcs-events rollup --rebuild`",
    ),
    "a day that is not counted at all": (
        "DELETE FROM user_event_rollup_days",
        "counts of reports",
        "they lack events of 2026-03-02; run `flask tcs-events rollup --rebuild`",
    ),
}


@pytest.mark.parametrize("name", FROZEN)
def test_reports_that_do_not_follow_the_events_are_a_hint(host: Flask, name: str) -> None:
    save(host, click(), click(), click())
    run(host, "rollup")
    assert doctor(host)[1]["counts of reports"] == ("ok", "")
    statement, what, words = FROZEN[name]
    execute(host, statement.format(ahead=as_text(host, datetime.now(UTC) + timedelta(days=9))))
    code, level, remedy = trouble(host, what)
    assert (code, level) == (0, "hint")
    assert words in remedy


COUNTED = {
    "of 510 events 179 were all": (
        {"received": 510, "duplicate": 179},
        "they differ by +331, more than can be in progress;",
    ),
    "acknowledged, and not here": (
        {"received": 500, "accepted": 500},
        "500 of 500 acknowledged events are not in the table;",
    ),
    "refused": (
        {"received": 50, "accepted": 10, "invalid": 40},
        "40 were refused for good;",
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_outcomes_that_cannot_be_or_should_not_be_are_a_hint(host: Flask, name: str) -> None:
    counts, words = COUNTED[name]
    with host.app_context(), host.extensions["sqlalchemy"].engine.begin() as connection:
        _write_rows(
            connection, "p", {(datetime.now(UTC).date(), what, ""): n for what, n in counts.items()}
        )
    code, findings = doctor(host)
    [what] = [what for what in findings if what.startswith("outcomes since yesterday")]
    level, remedy = findings[what]
    assert (code, level) == (0, "hint")
    assert words in remedy


def test_events_that_nobody_has_counted_are_a_hint(host: Flask) -> None:
    now = datetime.now(UTC)
    save(host, *(click(created_at=now, received_at=now) for _ in range(120)))
    run(host, "rollup")
    words = "the table has more events of these days than the 0 that were counted;"
    assert words in trouble(host, "outcomes since yesterday")[2]


def test_another_file_with_events_is_a_hint(
    make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    save(make_host(f"sqlite:///{elsewhere}/host.db"), click())
    monkeypatch.chdir(elsewhere)
    app = make_host(f"sqlite:///{tmp_path}/host.db")
    code, level, remedy = trouble(app, f"SQLite file {tmp_path}/host.db")
    assert (code, level) == (0, "hint")
    assert remedy.startswith(f"{elsewhere}/host.db holds events, too;")


def test_a_network_file_system_is_told_by_the_deepest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / ext4 rw 0 0\nb {tmp_path} nfs4 rw 0 0\nc /sys sysfs rw 0 0\n")
    assert place.file_system_of(f"{tmp_path}/host.db", str(mounts)) == "nfs4"
    assert place.file_system_of("/etc/host.db", str(mounts)) == "ext4"


@pytest.mark.parametrize("prefix", ["/analytics", "/api/stats/events", "/pixel"])
def test_an_address_that_ad_blockers_block_is_a_hint(
    sqlite_url: str, close_later: list[Flask], prefix: str
) -> None:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    db = SQLAlchemy(app)
    close_later.append(app)
    app.register_blueprint(events_bp, url_prefix=prefix)
    with app.app_context():
        db.create_all()
    code, level, remedy = trouble(app, "addresses")
    assert (code, level) == (0, "hint")
    assert "register the blueprint with another url_prefix" in remedy


def test_a_script_behind_a_login_is_wrong(sqlite_host: Flask) -> None:
    @sqlite_host.before_request
    def demand_login() -> Any:
        return None if request.method == "POST" else redirect("/login")

    code, findings = doctor(sqlite_host)
    level, remedy = findings["script GET /api/events/tracker.js"]
    assert (code, level) == (1, "wrong")
    assert remedy.startswith("the app answers 302 before tcs_events can;")


def test_each_extra_is_named_once(sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from tcs_events.cli.doctor import extras

    def version(name: str) -> str:
        if name == "redis":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(extras.metadata, "version", version)
    [line] = [what for what in doctor(sqlite_host)[1] if what.startswith("extras:")]
    installed, missing = line.removeprefix("extras: ").split("; not installed: ")
    assert missing == "redis"
    assert "limits (limits 1.0)" in installed
    assert "redis" not in installed


def test_limits_that_nobody_counts_are_a_hint(
    make_host: MakeHost, sqlite_url: str, redis_server: RedisServer
) -> None:
    settings = {
        "TCS_EVENTS_CLIENT_LIMIT": "600/minute",
        "TCS_EVENTS_LIMIT_STORAGE": redis_server.url,
        "SECRET_KEY": "x" * 20,
    }
    app = make_host(sqlite_url, **settings)
    assert doctor(app)[1]["limits, counted in Redis"] == ("ok", "")
    redis_server.kill()
    code, level, remedy = trouble(app, "limits, counted in Redis")
    assert (code, level) == (0, "hint")
    assert "nothing is limited" in remedy
