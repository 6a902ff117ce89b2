"""What was exported, read back with other people's readers."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import tcs_events.export.new_file
from tcs_events import UserEvent
from tcs_events.export.csv_format import harmless
from tests.cli.asking import NOON, click, query, run, save
from tests.support import stored

FORMATS = ("csv", "ndjson", "parquet")
PYARROW = "needs pyarrow: pip install -e '.[parquet]'"
COLUMNS = list(UserEvent.__table__.columns.keys())
SHARP_TEXTS = [
    'a "quoted", text;\r\nof two lines',
    "Zoë 日本 🦜 \u202e\x9b",
    "\ttab first",
    "",
    "'already quoted",
    "back\\slash",
]


def export(app: Flask, folder: Path, format_name: str, *args: str) -> list[dict[str, Any]]:
    """Return the rows of an export, as what reads such files has them."""
    if format_name == "parquet":
        pytest.importorskip("pyarrow", reason=PYARROW)
    target = folder / f"events.{format_name}"
    result = run(app, "export", str(target), "--force", *args)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return read(target)


def read(target: Path) -> list[dict[str, Any]]:
    match target.suffix:
        case ".csv":
            with target.open(encoding="utf-8-sig", newline="") as file:
                rows: list[dict[str, Any]] = list(csv.DictReader(file, strict=True))
            return [row | {"id": int(row["id"]), "email": row["email"] or None} for row in rows]
        case ".ndjson":
            rows = [json.loads(line) for line in target.read_bytes().splitlines()]
            return [row | {"payload": json.dumps(row["payload"])} for row in rows]
        case _:
            parquet = pytest.importorskip("pyarrow.parquet", reason=PYARROW)
            rows = parquet.read_table(target).to_pylist()
            times = ("created_at", "received_at")
            return [row | {name: row[name].isoformat() for name in times} for row in rows]


def as_stored(app: Flask) -> list[dict[str, Any]]:
    """Return the rows of the table in the shape of `read`."""
    with app.app_context():
        return [
            {
                "id": event.id,
                "event_id": str(event.event_id),
                "session_id": event.session_id,
                "event_type": event.event_type,
                "payload": event.payload,
                "email": event.email,
                "created_at": event.created_at.isoformat(),
                "received_at": event.received_at.isoformat(),
            }
            for event in UserEvent.query.order_by(UserEvent.id)
        ]


def with_payloads(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"payload": json.loads(row["payload"])} for row in rows]


@pytest.fixture
def host(host: Flask) -> Flask:
    save(
        host,
        *(query(text, f"visitor {number}", text) for number, text in enumerate(SHARP_TEXTS)),
        click(payload={"n": [1, 2.5, -3, True, None, {"deep": {}}]}, email="ada@example.com"),
        click(created_at=NOON.replace(microsecond=123456)),
        click(payload={}),
    )
    return host


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_stored_event_can_be_read_back_as_it_is(
    host: Flask, tmp_path: Path, format_name: str
) -> None:
    rows = with_payloads(export(host, tmp_path, format_name))
    assert rows == as_stored(host)
    assert [list(row) for row in rows] == [COLUMNS] * len(stored(host))


@pytest.mark.parametrize("format_name", FORMATS)
def test_nothing_stored_is_a_file_without_rows(
    sqlite_host: Flask, tmp_path: Path, format_name: str
) -> None:
    assert export(sqlite_host, tmp_path, format_name) == []


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_period_and_the_types_choose_the_events(
    host: Flask, tmp_path: Path, format_name: str
) -> None:
    midnight = datetime(2026, 3, 5, tzinfo=UTC)
    save(
        host,
        click("too early", created_at=midnight - timedelta(microseconds=1)),
        click("first", created_at=midnight),
        click("last", created_at=midnight + timedelta(days=2, microseconds=-1)),
        click("too late", created_at=midnight + timedelta(days=2)),
        query("another type", created_at=midnight),
    )
    period = ("--from", "2026-03-05", "--to", "2026-03-06")
    rows = export(host, tmp_path, format_name, *period, "--type", "card_click")
    assert [json.loads(row["payload"])["expert_id"] for row in rows] == ["first", "last"]


def test_without_a_period_the_oldest_event_is_there(host: Flask, tmp_path: Path) -> None:
    save(host, click("old", created_at=NOON - timedelta(days=3000)))
    assert len(export(host, tmp_path, "csv")) == len(stored(host))
    assert len(export(host, tmp_path, "csv", "--days", "30", "--to", "2026-03-05")) == 9


class TestStdout:
    @pytest.mark.parametrize("format_name", ["csv", "ndjson"])
    def test_it_gets_the_same_bytes_as_a_file(
        self, host: Flask, tmp_path: Path, format_name: str
    ) -> None:
        export(host, tmp_path, format_name)
        result = run(host, "export", "-", "--format", format_name)
        assert result.stdout_bytes == (tmp_path / f"events.{format_name}").read_bytes()

    def test_a_terminal_is_refused(self, host: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
        result = run(host, "export", "-", "--format", "csv")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Redirect stdout" in result.stderr


class TestFormulas:
    STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001

    @pytest.fixture
    def host(self, sqlite_host: Flask) -> Flask:
        save(
            sqlite_host,
            *(
                click(
                    session=f"{start}1+1",
                    event_type=f"{start}cmd|' /C calc'!A0",
                    email=f"{start}a@b",
                )
                for start in self.STARTS
            ),
        )
        return sqlite_host

    def test_no_cell_of_a_visitor_begins_as_a_formula_does(
        self, host: Flask, tmp_path: Path
    ) -> None:
        rows = export(host, tmp_path, "csv")
        assert len(rows) == len(self.STARTS)
        for row, original in zip(rows, as_stored(host), strict=True):
            for name in ("session_id", "event_type", "email"):
                assert row[name] == "'" + original[name]
            assert row["id"] == original["id"]

    def test_raw_leaves_them_as_they_are(self, host: Flask, tmp_path: Path) -> None:
        assert with_payloads(export(host, tmp_path, "csv", "--raw")) == as_stored(host)

    @pytest.mark.parametrize("format_name", ["ndjson", "parquet"])
    def test_formats_that_no_spreadsheet_runs_are_left_as_they_are(
        self, host: Flask, tmp_path: Path, format_name: str
    ) -> None:
        assert with_payloads(export(host, tmp_path, format_name)) == as_stored(host)

    def test_every_cell_is_quoted(self, host: Flask, tmp_path: Path) -> None:
        export(host, tmp_path, "csv")
        text = (tmp_path / "events.csv").read_bytes().decode("utf-8-sig")
        header, _, rest = text.partition("\r\n")
        assert header == ",".join(f'"{name}"' for name in COLUMNS)
        assert rest.startswith('"1","')

    @pytest.mark.parametrize("text", ["", "a=1", "'=1", "{}", "5", " =1", "ada@example.com"])
    def test_what_is_no_formula_is_left_as_it_is(self, text: str) -> None:
        assert harmless(text) == text


@pytest.mark.parametrize("format_name", FORMATS)
def test_values_that_json_does_not_have_become_null(
    sqlite_host: Flask, tmp_path: Path, format_name: str
) -> None:
    save(sqlite_host, click(payload={"a": float("nan"), "b": [float("-inf"), {"c": "\ud800"}]}))
    [row] = export(sqlite_host, tmp_path, format_name)
    assert json.loads(row["payload"], parse_constant=lambda name: 1 / 0) == {
        "a": None,
        "b": [None, {"c": "\ud800"}],
    }


def test_parquet_says_what_each_column_is(host: Flask, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason=PYARROW)
    export(host, tmp_path, "parquet")
    schema = parquet.read_schema(tmp_path / "events.parquet")
    assert {field.name: (str(field.type), field.nullable) for field in schema} == {
        "id": ("int64", False),
        "event_id": ("string", False),
        "session_id": ("string", False),
        "event_type": ("string", False),
        "payload": ("string", False),
        "email": ("string", True),
        "created_at": ("timestamp[us, tz=UTC]", False),
        "received_at": ("timestamp[us, tz=UTC]", False),
    }


def test_parquet_without_pyarrow_names_the_extra_and_leaves_nothing(
    sqlite_host: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    folder = tmp_path / "exports"
    folder.mkdir()
    result = run(sqlite_host, "export", str(folder / "events.parquet"))
    assert result.exit_code == 1
    assert result.stderr == "Error: Parquet needs pyarrow: pip install 'tcs-events[parquet]'.\n"
    assert list(folder.iterdir()) == []


class TestTheFile:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "exports"
        folder.mkdir()
        return folder

    def test_only_its_owner_can_read_it(self, sqlite_host: Flask, folder: Path) -> None:
        before = os.umask(0)
        try:
            run(sqlite_host, "export", str(folder / "events.csv"))
        finally:
            os.umask(before)
        assert stat.S_IMODE((folder / "events.csv").stat().st_mode) == 0o600

    def test_what_is_there_is_kept(self, sqlite_host: Flask, folder: Path) -> None:
        target = folder / "events.csv"
        target.write_text("mine")
        result = run(sqlite_host, "export", str(target))
        assert result.exit_code == 2
        assert f"{target} exists already; replace it with --force." in result.stderr
        assert target.read_text() == "mine"
        assert list(folder.iterdir()) == [target]

    def test_force_replaces_it(self, sqlite_host: Flask, folder: Path) -> None:
        target = folder / "events.csv"
        target.write_text("mine")
        target.chmod(0o644)
        assert run(sqlite_host, "export", str(target), "--force").exit_code == 0
        assert target.read_text("utf-8-sig").startswith('"id"')
        assert stat.S_IMODE(target.stat().st_mode) == 0o600

    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_a_link_is_not_followed(
        self, sqlite_host: Flask, folder: Path, tmp_path: Path, force: list[str]
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        for points_to in (elsewhere, tmp_path / "nowhere"):
            elsewhere.write_text("mine")
            target = folder / "events.csv"
            target.unlink(missing_ok=True)
            target.symlink_to(points_to)
            result = run(sqlite_host, "export", str(target), *force)
            assert result.exit_code == 2
            assert "is not an ordinary file" in result.stderr
            assert target.is_symlink()
            assert elsewhere.read_text() == "mine"
            assert not (tmp_path / "nowhere").exists()

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["a pipe", "a folder"])
    def test_what_is_no_file_is_left_alone(
        self, sqlite_host: Flask, tmp_path: Path, make: Callable[[Path], None]
    ) -> None:
        """A device would be the same: what comes in its place is a file."""
        make(name := tmp_path / "no file")
        before = os.lstat(name)
        assert run(sqlite_host, "export", str(name), "--format", "csv", "--force").exit_code == 2
        assert os.lstat(name).st_ino == before.st_ino

    def test_a_file_that_came_meanwhile_is_kept(
        self, sqlite_host: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = folder / "events.csv"
        checks = iter([lambda: None, lambda: target.write_text("theirs")])
        original = tcs_events.export.new_file.check_target

        def check(path: Path, *, replace: bool) -> None:
            original(path, replace=replace)
            next(checks)()

        monkeypatch.setattr(tcs_events.export.new_file, "check_target", check)
        assert run(sqlite_host, "export", str(target)).exit_code == 2
        assert target.read_text() == "theirs"
        assert list(folder.iterdir()) == [target]

    def test_a_file_system_without_hard_links_will_do(
        self, sqlite_host: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        assert run(sqlite_host, "export", str(folder / "events.csv")).exit_code == 0
        assert [path.name for path in folder.iterdir()] == ["events.csv"]

    def test_a_disk_that_is_full_is_said_and_leaves_nothing(
        self, sqlite_host: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        target = folder / "events.csv"
        result = run(sqlite_host, "export", str(target))
        assert result.exit_code == 1
        assert result.stderr == f"Error: {target} could not be written: No space left on device.\n"
        assert list(folder.iterdir()) == []

    def test_it_is_synced_before_it_has_its_name(
        self, sqlite_host: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target, there_at_sync = folder / "events.csv", []
        fsync = os.fsync

        def noted(descriptor: int) -> None:
            there_at_sync.append(target.exists())
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", noted)
        run(sqlite_host, "export", str(target))
        assert there_at_sync == [False, True]  # the file, then the folder that names it

    def test_the_name_of_a_file_never_comes_from_an_event(
        self, sqlite_host: Flask, folder: Path, tmp_path: Path
    ) -> None:
        save(sqlite_host, click(session="../../escaped", event_type="../escaped"))
        result = run(sqlite_host, "export", str(folder / "events.csv"), "--type", "../escaped")
        assert result.exit_code == 0
        assert [path.name for path in folder.iterdir()] == ["events.csv"]
        assert "'" not in (folder / "events.csv").read_text()
        assert list(tmp_path.glob("escaped*")) == []


def test_the_summary_goes_to_stderr_and_no_bar_where_that_is_no_terminal(host: Flask) -> None:
    result = run(host, "export", "-", "--format", "ndjson", "--type", "sage_query")
    assert result.stderr == f"Exported {len(SHARP_TEXTS)} events.\n"
    assert len(list(io.StringIO(result.stdout))) == len(SHARP_TEXTS)
