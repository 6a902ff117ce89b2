"""kill -9 of every process of the web server under load."""

from __future__ import annotations

from pathlib import Path

from tests.faults.kill import kill_repeatedly

ROUNDS = 5
"""As many show a host that breaks the promise. `python -m tests.faults kill` makes more."""


def test_a_killed_server_loses_nothing_acknowledged_and_stores_nothing_twice(
    database_url: str, tmp_path: Path
) -> None:
    report = kill_repeatedly(database_url, tmp_path, rounds=ROUNDS)

    assert report.balance.violations == {}
    assert report.balance.unknown == 0
    assert report.balance.acknowledged > ROUNDS
    assert set(report.statuses()) <= {0, 202, 503}


def test_the_harness_sees_events_lost_by_a_host_that_answers_before_it_commits(
    database_url: str, tmp_path: Path
) -> None:
    report = kill_repeatedly(
        database_url,
        tmp_path,
        rounds=ROUNDS,
        face="answers_first",
        until=lambda balance: bool(balance.missing),
    )

    assert report.balance.missing


def test_the_harness_sees_events_stored_twice_by_a_host_that_forgets_their_ids(
    sqlite_url: str, tmp_path: Path
) -> None:
    report = kill_repeatedly(
        sqlite_url,
        tmp_path,
        rounds=ROUNDS,
        face="forgets_ids",
        until=lambda balance: bool(balance.twice),
    )

    assert report.balance.twice
