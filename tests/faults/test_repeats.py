"""An event that arrives several times at once is stored once, and each time acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kill import kill_repeatedly
from tests.faults.repeats import repeat

pytestmark = pytest.mark.usefixtures("patient_servers")


def test_copies_that_arrive_at_once_are_stored_once_and_all_acknowledged(
    database_url: str, tmp_path: Path
) -> None:
    report = repeat(database_url, tmp_path, events=60)

    assert report.balance.violations == {}
    assert set(report.statuses()) == {202}
    assert report.balance.stored == report.balance.acknowledged == 60


def test_what_was_stored_and_not_yet_answered_when_a_kill_came_is_stored_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    report = kill_repeatedly(sqlite_url, tmp_path, rounds=3, face="answers_late")

    assert report.balance.violations == {}
    assert report.statuses()[0] > 0


def test_the_harness_sees_copies_stored_twice_by_a_host_that_forgets_their_ids(
    sqlite_url: str, tmp_path: Path
) -> None:
    assert repeat(sqlite_url, tmp_path, events=10, face="forgets_ids").balance.twice
