"""Exports as processes: killed, told to end, and of more events than should be in memory."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert

from tcs_events import UserEvent
from tests.cli.asking import (
    NOON,
    WAIT_SECONDS,
    click,
    database_url_of,
    eventually,
    running,
    save,
)
from tests.support import ROOT, kind_of, need_module

ROWS = 100_000
MAX_GROWTH_KIB = {"csv": 40 * 1024, "ndjson": 40 * 1024, "parquet": 96 * 1024}
"""The rows are 75 MB of JSON and several times that as objects; pyarrow has pools of its own."""
FORMATS = {"sqlite": ["csv", "parquet"], "postgresql": ["ndjson"], "mariadb": ["csv"]}
"""Each database is read, and each format is written. Neither knows of the other."""

SLOWLY = """
import time
from tcs_events.cli import exporting
read_rows = exporting.read_rows
def slowly(*args):
    for rows in read_rows(*args):
        yield rows
        print("writing", flush=True)
        time.sleep(60)
exporting.read_rows = slowly
"""

MEASURED = """
import atexit, resource
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import pyarrow.parquet, psycopg  # what is imported is not what is growing
from tests.cli.host import create_app
with create_app().test_request_context():
    pass
before = peak()
atexit.register(lambda: print("grew by", peak() - before))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("format_name", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize("is_there", [False, True])
def test_an_export_killed_in_the_middle_leaves_no_half_file_under_its_name(
    sqlite_host: Flask, folder: Path, format_name: str, is_there: bool
) -> None:
    if format_name == "parquet":
        need_module("pyarrow")
    save(sqlite_host, click())
    target = folder / f"events.{format_name}"
    if is_there:
        target.write_text("the one before")
    args = ["export", str(target), "--force"]
    with running(database_url_of(sqlite_host), *args, program=SLOWLY) as export:
        assert export.line() == "writing"
        assert export.end(signal.SIGKILL) == -signal.SIGKILL
    left = {path.name: path for path in folder.iterdir()}
    if is_there:
        assert left.pop(target.name).read_text() == "the one before"
    [part] = left.values()
    assert part.name.startswith(f".{target.name}.")
    assert part.suffix == ".part"
    assert part.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_export_told_to_end_leaves_nothing(
    host: Flask, folder: Path, number: signal.Signals
) -> None:
    save(host, click())
    args = ["export", str(folder / "events.csv")]
    with running(database_url_of(host), *args, program=SLOWLY) as export:
        assert export.line() == "writing"
        assert export.end(number) == (143 if number is signal.SIGTERM else 1)
    assert list(folder.iterdir()) == []


@pytest.fixture
def full_host(host: Flask) -> Flask:
    """A host with a hundred thousand events."""
    with host.app_context():
        session = host.extensions["sqlalchemy"].session
        for start in range(0, ROWS, 10_000):
            session.execute(
                insert(UserEvent),
                [
                    {
                        "session_id": f"visitor-{number}",
                        "event_type": "sage_query",
                        "payload": {"query_text": f"{number} " + "long text " * 60, "n": number},
                        "created_at": NOON,
                        "received_at": NOON,
                    }
                    for number in range(start, start + 10_000)
                ],
            )
        session.commit()
    return host


def numbers(target: Path) -> list[int]:
    """Return what identifies the exported rows, in their order."""
    rows: Any
    match target.suffix:
        case ".csv":
            with target.open(encoding="utf-8-sig", newline="") as file:
                return [json.loads(row["payload"])["n"] for row in csv.DictReader(file)]
        case ".ndjson":
            with target.open(encoding="utf-8") as file:
                return [json.loads(line)["payload"]["n"] for line in file]
        case _:
            import pyarrow.parquet

            rows = pyarrow.parquet.read_table(target, columns=["payload"])["payload"].to_pylist()
            return [json.loads(payload)["n"] for payload in rows]


def test_a_hundred_thousand_events_are_never_all_in_memory(full_host: Flask, folder: Path) -> None:
    need_module("pyarrow")
    need_module("psycopg")
    database_url = database_url_of(full_host)
    for format_name in FORMATS[kind_of(database_url)]:
        target = folder / f"events.{format_name}"
        with running(database_url, "export", str(target), program=MEASURED) as export:
            assert export.line() == f"Exported {ROWS:,} events."
            grew = export.line()
            assert export.process.wait(WAIT_SECONDS) == 0
        assert grew.startswith("grew by ")
        assert int(grew.split()[-1]) < MAX_GROWTH_KIB[format_name], format_name
        assert numbers(target) == list(range(ROWS))


def test_a_reader_that_has_read_enough_ends_the_export_quietly(full_host: Flask) -> None:
    command = f"{sys.executable} -m flask --app tests.cli.host tcs-events export - --format ndjson"
    result = subprocess.run(
        ["/bin/sh", "-c", f"{command} | head -n 1"],
        cwd=ROOT,
        env={"DATABASE_URL": database_url_of(full_host), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["payload"]["n"] == 0
    assert result.stderr == ""


def test_events_that_are_stored_meanwhile_are_not_held_up(host: Flask, folder: Path) -> None:
    from tests.support import post

    assert post(host).status_code == 202
    args = ["export", str(folder / "events.csv")]
    with running(database_url_of(host), *args, program=SLOWLY) as export:
        assert export.line() == "writing"
        assert post(host).status_code == 202
        assert eventually(lambda: export.process.poll() is None)
