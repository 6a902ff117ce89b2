"""The SQLite file is locked, its disk full, its syncs fail; the web server answers 503."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.load import under_load
from tests.faults.small_disk import filling, small_disk
from tests.faults.sqlite_faults import (
    LOCKS,
    failing_syncs,
    integrity,
    locked,
    long_read,
)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_locked_file_is_answered_503_in_time_and_heals_by_itself(
    sqlite_url: str, tmp_path: Path, lock: str
) -> None:
    report = under_load(sqlite_url, tmp_path, LOCKS[lock](tmp_path / "host.db"))

    assert report.complaints() == []
    assert report.statuses()[503] > 0


def test_a_full_disk_is_answered_503_until_there_is_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        url = f"sqlite:///{disk}/host.db"

        report = filling(url, disk, tmp_path)

        assert integrity(disk / "host.db") == "ok"
    assert report.complaints() == []


@pytest.mark.parametrize("failing", ["1+", "2+", "7+", "40+", "6"])
def test_a_failed_sync_is_answered_503_and_loses_nothing_acknowledged(
    sqlite_url: str, tmp_path: Path, failing: str
) -> None:
    report = failing_syncs(sqlite_url, tmp_path, failing=failing)

    assert report.complaints() == []
    assert report.statuses()[503] > 0
    assert integrity(tmp_path / "host.db") == "ok"


def test_a_long_read_keeps_no_event_waiting(sqlite_url: str, tmp_path: Path) -> None:
    report = under_load(sqlite_url, tmp_path, long_read(tmp_path / "host.db"))

    assert report.complaints() == []
    assert set(report.statuses()) == {202}


def test_the_harness_sees_events_lost_by_a_host_that_answers_202_whatever_happens(
    sqlite_url: str, tmp_path: Path
) -> None:
    report = failing_syncs(sqlite_url, tmp_path, failing="2+", face="swallows_errors")

    assert report.balance.missing


def test_the_harness_sees_the_answers_of_a_host_that_does_nothing_about_a_lock(
    sqlite_url: str, tmp_path: Path
) -> None:
    report = under_load(
        sqlite_url, tmp_path, locked(tmp_path / "host.db", "IMMEDIATE"), face="naive"
    )

    assert any("later than" in complaint for complaint in report.complaints())
