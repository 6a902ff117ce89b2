"""The schema is not what the code expects: 503 and a line that says what to do, until it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.drift import BREAKING, EXPANDING
from tests.faults.load import under_load

SAYS = {"column": "tcs_events.columns_missing", "table": "tcs_events.table_missing"}
PROCESSES = 2


@pytest.mark.parametrize(
    ("drift", "database"),
    # Each on each database: `python -m tests.faults schema`.
    [
        ("column_renamed", "sqlite_url"),
        ("column_dropped", "postgres_url"),
        ("table_renamed", "postgres_url"),
        ("table_dropped", "sqlite_url"),
    ],
)
def test_a_schema_that_moves_away_is_503_and_said_once_and_events_go_on_when_it_is_back(
    request: pytest.FixtureRequest, tmp_path: Path, drift: str, database: str
) -> None:
    url = request.getfixturevalue(database)
    report = under_load(url, tmp_path, BREAKING[drift](url))

    log = (tmp_path / "server.log").read_text()
    assert report.complaints() == []
    assert report.statuses()[503] > 10
    # Once in each process, and once more where the question met the moment of the change.
    assert 0 < log.count(SAYS[drift.partition("_")[0]]) <= 2 * PROCESSES
    assert log.count("remedy=") <= 3 * PROCESSES
    assert "Traceback" not in log


@pytest.mark.parametrize("drift", ["column_added"])
def test_a_migration_that_only_adds_costs_no_event(
    sqlite_url: str, tmp_path: Path, drift: str
) -> None:
    report = under_load(sqlite_url, tmp_path, EXPANDING[drift](sqlite_url))

    assert report.complaints() == []
    assert set(report.statuses()) == {202}


def test_the_harness_sees_the_500s_of_a_host_that_expects_its_columns(
    sqlite_url: str, tmp_path: Path
) -> None:
    report = under_load(sqlite_url, tmp_path, BREAKING["column_renamed"](sqlite_url), face="naive")

    assert report.statuses()[500] > 0
