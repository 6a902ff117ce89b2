"""Closed days are kept as files, which hold what the events are, and nothing that was deleted."""

from __future__ import annotations

import fcntl
import json
import signal
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from sqlalchemy import delete

from tcs_events import UserEvent
from tcs_events.counts.events import payload_of
from tcs_events.counts.stale import mark_stale
from tcs_events.day_files import folder as folders_module
from tcs_events.day_files import keeping, parquet
from tcs_events.day_files.folder import DayVersion
from tcs_events.day_files.keeping import DayKeeper
from tcs_events.host import registration_of
from tests.cli.asking import (
    NOON,
    WAIT_SECONDS,
    ask,
    click,
    database_url_of,
    lines,
    run,
    running,
    save,
)
from tests.conftest import MakeHost
from tests.day_files.conftest import host_with_files
from tests.day_files.payloads import payload
from tests.day_files.reading import (
    days_of,
    folders,
    has_session,
    keeper_of,
    rows_of,
    sessions_in,
)

DAY = timedelta(days=1)
FIRST, SECOND = "2026-03-02", "2026-03-03"


def booking(visitor: str, days: int = 0, **properties: Any) -> UserEvent:
    at = NOON + days * DAY
    return click(
        session=visitor, event_type="booking", payload=properties, created_at=at, received_at=at
    )


@pytest.fixture
def full(host: Flask) -> Flask:
    """A host with files of two days, of two visitors."""
    save(host, booking("ada", plan="pro"), booking("ada", 1), booking("bo", 1, plan="free"))
    assert run(host, "day-files").exit_code == 0
    assert days_of(host) == [FIRST, SECOND]
    return host


def test_closed_days_are_written_once(host: Flask, folder: Path) -> None:
    save(host, booking("ada", plan="pro"), booking("bo", 1), booking("bo", 20_000))
    [line] = lines(host, "day-files")
    assert line.startswith("Wrote 2 days with 2 events. 2 days now have files, of ")
    assert folders(folder) == [FIRST, SECOND]  # and not a day that is to come
    answer = ask(host, "day-files")
    assert answer["written"] == []
    assert (answer["days"], answer["left"]) == (2, 0)
    assert answer["bytes"] > 0
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*.parquet")]} == {0}


def test_the_files_hold_every_property_of_every_event(
    sqlite_host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "FILE_EVENTS", 7)
    payloads = [payload_of(json.dumps(payload(seed))) for seed in range(30)]
    save(sqlite_host, *(booking(f"{i:02}", **{"i": i} | each) for i, each in enumerate(payloads)))
    assert run(sqlite_host, "day-files").exit_code == 0
    [day] = keeper_of(sqlite_host).folder.days()
    [files] = (keeper_of(sqlite_host).folder.files(day) or {}).values()
    assert [file.events for file in files] == [7, 7, 7, 7, 2]
    assert all(file.is_whole for file in files)
    rows = rows_of(files)
    assert [row["i"] for row in rows] == list(range(30))
    assert [
        {name: row[name] for name in each} for row, each in zip(rows, payloads, strict=True)
    ] == payloads


def test_files_of_a_day_with_a_late_event_are_not_read_and_written_again(
    full: Flask, folder: Path
) -> None:
    save(full, booking("cy", plan="late"))
    assert run(full, "rollup").exit_code == 0
    assert days_of(full) == [SECOND]
    assert ask(full, "day-files")["written"] == [FIRST]
    assert days_of(full) == [FIRST, SECOND]
    assert folders(folder) == [FIRST, SECOND]
    assert has_session(folder, "cy")


@pytest.mark.parametrize("args", [["forget", "--session", "ada", "--yes"]])
def test_a_forgotten_person_is_in_no_file(full: Flask, folder: Path, args: list[str]) -> None:
    assert has_session(folder, "ada")
    assert run(full, *args).exit_code == 0
    assert not has_session(folder, "ada")
    assert days_of(full) == []  # both days had events of the person
    assert ask(full, "day-files")["written"] == [SECOND]
    assert not has_session(folder, "ada")
    assert has_session(folder, "bo")


def test_pruned_events_are_in_no_file(full: Flask, folder: Path) -> None:
    assert run(full, "prune", "--older-than", SECOND).exit_code == 0
    assert folders(folder) == [SECOND]
    assert run(full, "rollup").exit_code == 0
    assert days_of(full) == [SECOND]  # untouched: it need not be written again


def test_counting_everything_again_writes_everything_again(full: Flask) -> None:
    with full.app_context():
        before = keeper_of(full).days()
    assert run(full, "rollup", "--rebuild").exit_code == 0
    assert days_of(full) == []
    assert len(ask(full, "day-files")["written"]) == 2
    with full.app_context():
        assert not keeper_of(full).days() & before


def test_the_days_of_another_time_zone_are_not_read(
    make_host: MakeHost, full: Flask, folder: Path
) -> None:
    other = make_host(
        database_url_of(full),
        create=False,
        TCS_EVENTS_TIMEZONE="Asia/Kathmandu",
        TCS_EVENTS_DAY_FILES=str(folder),
    )
    assert days_of(other) == []
    assert run(other, "rollup").exit_code == 0
    assert days_of(full) == []


def test_what_is_deleted_on_another_machine_is_removed_by_the_next_write(
    make_host: MakeHost, full: Flask, folder: Path, tmp_path: Path
) -> None:
    other = host_with_files(make_host, database_url_of(full), tmp_path / "other machine")
    assert len(ask(other, "day-files")["written"]) == 2
    assert keeper_of(other).folder.days() == keeper_of(full).folder.days()  # the same versions
    assert run(other, "forget", "--session", "ada", "--yes").exit_code == 0
    assert days_of(full) == []
    assert has_session(folder, "ada")
    assert run(full, "worker", "--once").exit_code == 0
    assert not has_session(folder, "ada")
    assert days_of(full) == [SECOND]


def once_during(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Do something once while a day is written, after it has called a function."""
    acts = [act]
    plain = getattr(keeping, name)

    def wrapped(*args: Any) -> Any:
        answer = [*plain(*args)]
        if acts:
            acts.pop()()
        return answer

    monkeypatch.setattr(keeping, name, wrapped)


@pytest.mark.parametrize("after", ["event_types", "write_files"])
def test_a_day_that_changes_while_it_is_written_is_left_to_the_next_time(
    host: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    save(host, booking("ada"), booking("bo"))
    assert run(host, "rollup").exit_code == 0
    keeper = keeper_of(host)

    def delete_ada() -> None:
        with host.app_context(), registration_of(host).database.engine.begin() as connection:
            connection.execute(delete(UserEvent).where(UserEvent.session_id == "ada"))
            mark_stale(connection, registration_of(host).settings.timezone, [NOON])

    once_during(monkeypatch, after, delete_ada)
    written = keeper.write()
    assert written is not None
    assert (written.days, written.left) == ([], 1)
    assert folders(folder) == []
    assert ask(host, "day-files")["written"] == [FIRST]
    assert not has_session(folder, "ada")


def test_one_process_writes_at_a_time(full: Flask, folder: Path) -> None:
    keeper = keeper_of(full)
    with DayKeeper(keeper._engine, keeper._zone, folder).folder.writing():
        assert keeper.write() is None
        result = run(full, "day-files")
    assert result.exit_code == 1
    assert "Another process is writing files" in result.output


def test_forget_waits_for_the_day_that_is_written_and_not_for_the_next(
    sqlite_host: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(sqlite_host, booking("ada"), booking("bo", 1), booking("cy", 2))
    monkeypatch.setenv("DAY_FILES", str(folder))
    program = "\n".join(
        [
            "import signal",
            "from tcs_events.day_files import keeping",
            "told = {signal.SIGUSR1}",
            "signal.pthread_sigmask(signal.SIG_BLOCK, told)",
            "plain = keeping.write_files",
            "def when_told(*args):",
            "    yield from plain(*args)",
            "    print('written', flush=True)",
            "    signal.sigwait(told)",
            "keeping.write_files = when_told",
        ]
    )
    url = database_url_of(sqlite_host)
    with running(url, "day-files", program=program) as writer:
        while writer.line() != "written":
            pass
        with running(url, "forget", "--session", "cy", "--yes") as forget:
            while not is_waited_for(folder):
                assert forget.process.poll() is None
                time.sleep(0.01)
            assert has_session(folder, "cy")  # in the hidden folder of the day that is written
            writer.process.send_signal(signal.SIGUSR1)
            assert forget.process.wait(WAIT_SECONDS) == 0
        assert writer.process.poll() is None  # it has two days left, and nobody tells it to go on
        assert not has_session(folder, "cy")
    assert days_of(sqlite_host) == []


def is_waited_for(folder: Path) -> bool:
    """Return whether a process waits for its turn in the folder."""
    with open(folder / ".turn.lock", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_killed_writer_leaves_no_day_and_no_lock(
    sqlite_host: Flask, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(sqlite_host, booking("ada"), booking("bo", 1))
    monkeypatch.setenv("DAY_FILES", str(folder))
    program = "\n".join(
        [
            "import time",
            "from tcs_events.day_files import keeping",
            "plain = keeping.write_files",
            "def slowly(*args):",
            "    yield from plain(*args)",
            "    print('written', flush=True)",
            "    time.sleep(600)",
            "keeping.write_files = slowly",
        ]
    )
    with running(database_url_of(sqlite_host), "worker", "--once", program=program) as worker:
        while worker.line() != "written":
            pass
        worker.end(signal.SIGKILL)
    assert has_session(folder, "bo")
    assert days_of(sqlite_host) == []
    assert len(ask(sqlite_host, "day-files")["written"]) == 2
    assert folders(folder) == [FIRST, SECOND]


def test_a_day_whose_files_are_lost_is_written_again(full: Flask, folder: Path) -> None:
    for path in folder.glob(f"{FIRST}*/files.json"):
        path.unlink()
    fresh = DayKeeper(keeper_of(full)._engine, keeper_of(full)._zone, folder)
    written = fresh.write()
    assert written is not None
    assert written.days == [date.fromisoformat(FIRST)]


def test_other_things_in_the_folder_stay(full: Flask, folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / f"{FIRST}.txt").write_text("not ours")
    assert run(full, "rollup", "--rebuild").exit_code == 0
    assert run(full, "day-files").exit_code == 0
    assert (folder / "notes").exists()
    assert (folder / f"{FIRST}.txt").exists()


class TestAFolderThatCannotBeUsed:
    @pytest.fixture
    def broken(self, make_host: MakeHost, sqlite_url: str, tmp_path: Path) -> Flask:
        (tmp_path / "a file").touch()
        host = host_with_files(make_host, sqlite_url, tmp_path / "a file" / "days")
        save(host, booking("ada"))
        return host

    def test_the_worker_counts_and_logs_it(self, broken: Flask) -> None:
        with structlog.testing.capture_logs() as logs:
            assert run(broken, "worker", "--once").exit_code == 0
        assert [line["event"] for line in logs] == [
            "tcs_events.counts_refreshed",
            "tcs_events.day_files_not_written",
        ]

    def test_the_command_says_it(self, broken: Flask) -> None:
        result = run(broken, "day-files")
        assert result.exit_code == 1
        assert "cannot be written" in result.output

    def test_doctor_says_it(self, broken: Flask) -> None:
        assert "this user cannot write there" in run(broken, "doctor").output

    def test_forget_and_prune_work(self, broken: Flask) -> None:
        assert run(broken, "forget", "--session", "ada", "--yes").exit_code == 0
        assert run(broken, "prune", "--older-than", "1d").exit_code == 0

    def test_forget_says_that_files_are_left(
        self, full: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(folders_module.shutil, "rmtree", refuse)
        result = run(full, "forget", "--session", "ada", "--yes")
        assert result.exit_code == 1
        assert "still have them (Permission denied)" in " ".join(result.output.split())
        monkeypatch.undo()
        assert run(full, "forget", "--session", "ada", "--yes").exit_code == 0
        assert sessions_in(keeper_of(full).folder.path) == set()


def test_doctor_says_how_much_there_is_and_what_is_missing(full: Flask) -> None:
    assert "days: 2 days, " in " ".join(run(full, "doctor").output.split())
    save(full, booking("cy", 2))
    assert run(full, "rollup").exit_code == 0
    assert "1 day has no files yet" in run(full, "doctor").output


def test_without_the_setting_there_are_no_files(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url)
    result = run(app, "day-files")
    assert result.exit_code == 1
    assert "TCS_EVENTS_DAY_FILES is not set" in result.output


@pytest.mark.parametrize("name", ["2026-03-02", "2026-03-02.zz", "x.0", ".lock", "2026-3-2.0"])
def test_a_name_that_is_not_of_a_day_is_not_ours(name: str) -> None:
    assert folders_module._read_name(name) is None


def test_the_name_of_a_day_is_read() -> None:
    day = DayVersion(date(2026, 3, 2), 2**62)
    assert folders_module._read_name(day.folder_name) == day
