"""Stdout holds what a command was asked for, whatever the app logs meanwhile, and wherever."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tcs_events.cli import COMMANDS
from tests.cli.asking import click, database_url_of, query, run, save
from tests.cli.loud_host import LINE
from tests.support import ROOT

PERIOD = ["--from", "2026-03-01", "--to", "2026-03-31"]
ARGUMENTS = {
    # By the session of the host, which says ROLLBACK when its context ends.
    "exposure": ["--catalogue", "user_events.session_id", *PERIOD],
    "funnel": ["sage_query", "card_click", *PERIOD],
    "explore": ["sage_query", "--by", "query_text", *PERIOD],
    "paths": ["sage_query", *PERIOD],
    "timeline": ["visitor-1"],
    "import": [str(Path(__file__).with_name("one_event.csv"))],
    "prune": ["--older-than", "2026-01-01"],
    "forget": ["--session", "visitor-2", "--yes"],
}
WITH_JSON = sorted(
    command.name or ""
    for command in COMMANDS
    if any("--json" in parameter.opts for parameter in command.params)
)


@pytest.fixture
def database_url(sqlite_host: Flask) -> str:
    save(sqlite_host, query("Zoë", "visitor-1", "ada"), click(), click(session="visitor-2"))
    return database_url_of(sqlite_host)


def asked(database_url: str, *args: str, stderr: int = subprocess.PIPE) -> tuple[bytes, str]:
    """Run a command of the loud host; return its stdout, and its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "tests.cli.loud_host", "tcs-events", *args],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url,
            "DAY_FILES": database_url.removeprefix("sqlite:///") + "-days",
        },
        stdout=subprocess.PIPE,
        stderr=stderr,
        check=False,
    )
    return done.stdout, (done.stderr or b"").decode()


@pytest.mark.parametrize("command", WITH_JSON)
def test_json_is_all_there_is_on_stdout(database_url: str, command: str) -> None:
    stdout, stderr = asked(database_url, command, *ARGUMENTS.get(command, []), "--json")
    json.loads(stdout)
    # The control: all four loggers did write.
    assert stderr.count(LINE) >= 4


READERS: dict[str, tuple[list[str], Callable[[bytes], int]]] = {
    "CSV": (
        ["export", "-", "--format", "csv"],
        lambda data: len(list(csv.reader(data.decode("utf-8-sig").splitlines()))) - 1,
    ),
    "NDJSON": (
        ["export", "-", "--format", "ndjson"],
        lambda data: len([json.loads(line) for line in data.splitlines()]),
    ),
    "held": (
        ["export-subject", "--session", "visitor-1", "-o", "-"],
        lambda data: len(json.loads(data)["events"]) + 1,
    ),
    "newest": (["tail", "--limit", "3"], lambda data: len(data.splitlines())),
}


@pytest.mark.parametrize("name", READERS)
def test_data_is_all_there_is_on_stdout(database_url: str, name: str) -> None:
    args, count = READERS[name]
    stdout, stderr = asked(database_url, *args)
    assert count(stdout) == 3
    assert LINE in stderr


@pytest.mark.parametrize("command", ["stats", "types", "top", "doctor", "rollup", "outcomes"])
def test_what_is_for_people_is_not_mixed_with_the_log(database_url: str, command: str) -> None:
    stdout, stderr = asked(database_url, command)
    assert stdout
    assert LINE.encode() not in stdout
    assert b"SELECT" not in stdout
    assert LINE in stderr


def test_a_file_of_parquet_is_whole(database_url: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="needs pyarrow: pip install -e '.[parquet]'"
    )
    target = tmp_path / "events.parquet"
    stdout, _ = asked(database_url, "export", str(target))
    assert stdout == b""
    assert parquet.read_table(target).num_rows == 3


def test_the_worker_logs_where_the_host_has_said(database_url: str) -> None:
    """Its lines are all it has to say, so they stay where the host reads its log."""
    stdout, _ = asked(database_url, "worker", "--once")
    assert LINE in stdout.decode()


def test_a_terminal_without_stderr_gets_the_data_alone(database_url: str) -> None:
    done = subprocess.run(
        [
            "sh",
            "-c",
            f'exec "{sys.executable}" -m flask --app tests.cli.loud_host'
            " tcs-events types --json 2>&-",
        ],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert len(json.loads(done.stdout)) == 3


def test_afterwards_stdout_is_what_it_was(sqlite_host: Flask) -> None:
    before = sys.stdout
    assert json.loads(run(sqlite_host, "types", "--json").stdout)
    assert sys.stdout is before


def test_a_full_disk_is_said_in_a_line(database_url: str) -> None:
    done = subprocess.run(
        [
            "sh",
            "-c",
            f'"{sys.executable}" -m flask --app tests.cli.host tcs-events types >/dev/full',
        ],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == b"Error: Stdout could not be written: No space left on device.\n"
