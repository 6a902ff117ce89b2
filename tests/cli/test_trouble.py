"""Wrong input ends with 2, a database that cannot answer with 1, and nothing with a traceback."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

import tcs_events.cli.command
from tcs_events import create_blueprint, events_bp
from tcs_events.counts import time_limit
from tests.cli.asking import click, run, save
from tests.conftest import MakeHost
from tests.dashboard.test_waiting import endless_on
from tests.support import need_module

WRONG = {
    "no days": (["stats", "--days", "0"], "0 is not in the range"),
    "too many days": (["stats", "--days", "99999999999"], "is not in the range"),
    "no number": (["gaps", "--limit", "many"], "is not a valid integer"),
    "a limit beyond integers": (["top", "--limit", str(2**70)], "is not in the range"),
    "no day": (
        ["stats", "--from", "yesterday"],
        "'yesterday' is not a date; write it as 2026-03-01.",
    ),
    "no such day": (["stats", "--to", "2026-02-30"], "'2026-02-30' is not a date"),
    "before all clocks": (["stats", "--from", "0001-01-01"], "is not a date from 1970 to 9998"),
    "after all clocks": (["stats", "--to", "9999-12-31"], "is not a date from 1970 to 9998"),
    "backwards": (["stats", "--from", "2026-03-02", "--to", "2026-03-01"], "A period runs from"),
    "two beginnings": (["gaps", "--days", "3", "--from", "2026-03-01"], "give one of them"),
    "no such unit": (["stats", "--unit", "year"], "'year' is not one of"),
    "no such top": (["top", "pages"], "'pages' is not one of"),
    "no step": (["funnel"], "Missing argument 'STEP...'"),
    "a step that is none": (["funnel", "card_click[context"], "'card_click[context' is not a step"),
    "a condition that is none": (["funnel", "card_click[context]"], "'context' is not a condition"),
    "a type that is none": (["paths", "card_click["], "is not a valid event type"),
    "an unknown type": (["paths", "cardclick"], "did you mean card_click?"),
    "no condition": (["paths", "card_click", "--where", "x"], "'x' is not a condition"),
    "conditions on any event": (["retention", "--where", "x=1"], "--where needs --type"),
    "too deep": (["paths", "card_click", "--depth", "6"], "6 is not in the range"),
    "a time that is none": (["funnel", "card_click", "--within", "7"], "'7' is not a time"),
    "a property that is none": (
        ["funnel", "card_click", "--within", "7d", "--break-down", "["],
        "'[' is not a valid field",
    ),
    "persons without a time": (
        ["funnel", "card_click", "--per", "person"],
        "--per, --break-down, --where and --who need the time allowed, such as --within 7d.",
    ),
    "a step with bytes": (["funnel", "\udcff"], "is not UTF-8 text"),
    "nobody": (["timeline"], "Give a session, --email or --user, and only one of them."),
    "two of them": (["timeline", "visitor-1", "--email", "a@example.com"], "only one of them"),
    "a session with bytes": (["timeline", "\udcff"], "is not UTF-8 text"),
    "a session with a NUL": (["timeline", "a\0b"], "is not UTF-8 text"),
    "an address with bytes": (["timeline", "--email", "\udcff"], "is not UTF-8 text"),
    "no such file": (["exposure", "--catalogue-file", "/no/such/file"], "No such file"),
    "two catalogues": (
        ["exposure", "--catalogue", "a.b", "--catalogue-file", "/dev/null"],
        "Give either --catalogue or --catalogue-file, not both.",
    ),
    "no format": (["export", "events"], "Choose a format: --format csv|ndjson|parquet."),
    "an unknown format": (["export", "events.xlsx"], "Choose a format"),
    "no folder": (["export", "/no/such/folder/events.csv"], "there is no folder /no/such/folder"),
    "a file as folder": (["export", "/dev/null/events.csv"], "could not be written"),
    "parquet down a pipe": (["export", "-", "--format", "parquet"], "cannot be written to stdout"),
    "a hurry": (["worker", "--every", "0"], "is not in the range"),
    "an unknown command": (["drop"], "No such command 'drop'"),
    "an unknown option": (["stats", "--year"], "No such option"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_told_what_is_wrong_and_ends_with_two(sqlite_host: Flask, name: str) -> None:
    args, message = WRONG[name]
    result = run(sqlite_host, *args)
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, result.stdout) == (1 if name == "a file as folder" else 2, "")
    assert message in result.stderr


@pytest.mark.parametrize("command", ["stats", "visitors", "top", "gaps", "retention"])
def test_the_first_and_the_last_days_there_are_can_be_asked_about(
    make_host: MakeHost, sqlite_url: str, command: str
) -> None:
    for zone in ("Asia/Kathmandu", "Pacific/Pago_Pago"):
        app = make_host(sqlite_url, create_blueprint(timezone=zone), create=zone[0] == "A")
        save(app, click())
        for day in ("1970-01-01", "9998-12-31"):
            assert run(app, command, "--from", day, "--to", day).exit_code == 0


COMMANDS = {
    "stats": [],
    "visitors": [],
    "types": [],
    "top": [],
    "gaps": [],
    "dead-ends": [],
    "exposure": [],
    "funnel": ["card_click"],
    "explore": ["card_click", "--by", "context"],
    "paths": ["card_click"],
    "retention": [],
    "timeline": ["visitor-1"],
    "live": [],
    "tail": [],
    "export": ["-", "--format", "csv"],
    "day-files": [],
    "funnels": [],
    "digest": ["--to", "2026-03-05"],
    "import": [str(Path(__file__).with_name("one_event.csv"))],
    "prune": ["--older-than", "2026-03-03"],
    "forget": ["--session", "visitor-1", "--yes"],
    "export-subject": ["--session", "visitor-1"],
    "rollup": [],
    "worker": ["--once"],
    "rejected": [],
    "replay": [],
    "outcomes": [],
    "views": [],
}


def test_every_command_is_held_to_this() -> None:
    assert set(COMMANDS) | {"doctor"} == set(events_bp.cli.commands)


@pytest.mark.parametrize("command", COMMANDS)
class TestADatabaseThatCannotAnswer:
    def test_lacks_the_tables(self, make_host: MakeHost, database_url: str, command: str) -> None:
        app = make_host(database_url, create=False)
        result = run(app, command, *COMMANDS[command])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: There is no table user_events; run `db.create_all()` in an app context,"
            " or `flask db migrate` and `flask db upgrade`.\n"
        )

    def test_is_not_there(self, make_host: MakeHost, tmp_path: Path, command: str) -> None:
        app = make_host(f"sqlite:///{tmp_path}/no/such/folder/host.db", create=False)
        result = run(app, command, *COMMANDS[command])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: The database does not answer (OperationalError); see that the database runs,"
            " is reachable and has room, and that nothing locks it.\n"
        )

    def test_has_a_table_of_other_columns(
        self, make_host: MakeHost, database_url: str, tmp_path: Path, command: str
    ) -> None:
        settings: dict[str, object] = {"TCS_EVENTS_KEEP_REJECTED": 10}
        if command == "day-files":
            need_module("duckdb")
            settings["TCS_EVENTS_DAY_FILES"] = str(tmp_path / "days")
        app = make_host(database_url, **settings)
        save(app, click())
        with app.app_context():
            session = app.extensions["sqlalchemy"].session
            session.execute(text("ALTER TABLE user_events RENAME COLUMN created_at TO happened_at"))
            kept = "user_event_rejections RENAME COLUMN received_at TO refused_at"
            session.execute(text(f"ALTER TABLE {kept}"))
            session.execute(text("ALTER TABLE user_event_counters RENAME COLUMN day TO date"))
            saved = "user_event_saved_funnels RENAME COLUMN name TO title"
            session.execute(text(f"ALTER TABLE {saved}"))
            session.commit()
        result = run(app, command, *COMMANDS[command])
        assert result.exit_code == 1
        [line] = result.stderr.splitlines()
        assert line.startswith("Error: The database refused (")
        assert line.endswith("`flask tcs-events doctor` says what is missing.")

    def test_is_not_on_the_app_at_all(self, command: str) -> None:
        app = Flask("forgetful")
        app.register_blueprint(events_bp)
        result = run(app, command, *COMMANDS[command])
        assert (result.exit_code, result.stdout) == (1, "")
        assert "Add `db.init_app(app)`" in result.stderr


def test_a_database_that_is_hung_is_not_waited_for(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_module("psycopg")
    monkeypatch.setattr(tcs_events.cli.command, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        app = make_host(url, db=SQLAlchemy(), create=False)
        result = run(app, "stats")
    assert result.exit_code == 1
    # Who notices first, we or the driver, is a matter of how busy the machine is.
    assert re.match(
        r"Error: The database does not answer \((Connection)?Timeout\); see that", result.stderr
    )


def test_the_error_of_the_database_quotes_no_event(sqlite_host: Flask) -> None:
    with sqlite_host.app_context():
        session = sqlite_host.extensions["sqlalchemy"].session
        session.execute(text("DROP TABLE user_events"))
        session.execute(text("CREATE TABLE user_events (id INTEGER PRIMARY KEY)"))
        session.commit()
    result = run(sqlite_host, "timeline", "--email", "canary@example.com")
    assert result.exit_code == 1
    assert "canary" not in result.output


def test_a_question_without_end_is_given_up(
    make_host: MakeHost, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_host(database_url, create_blueprint(report_timeout_ms=100))
    run(app, "rollup")
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        session.execute(text("DROP TABLE user_event_daily_demand"))
        session.execute(text(endless_on(database_url)))
        session.commit()
    # What has no end is a view in the place of the table.
    monkeypatch.setattr(tcs_events.cli.command, "check_tables", lambda: None)
    result = run(app, "gaps")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: The question took longer than 0.1 s and was given up. Ask for fewer days, or set"
        " TCS_EVENTS_REPORT_TIMEOUT_MS.\n"
    )
    assert run(app, "dead-ends").exit_code == 0


@pytest.mark.parametrize("args", [["export", "-", "--format", "csv"], ["tail"], ["rollup"]])
def test_what_may_take_long_has_no_limit(
    make_host: MakeHost, database_url: str, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    app = make_host(database_url, create_blueprint(report_timeout_ms=100))
    save(app, click())
    monkeypatch.setattr(time_limit, "monotonic", lambda: float("inf"))
    assert run(app, "timeline", "visitor-1").exit_code == 1  # what has one
    assert run(app, *args).exit_code == 0
