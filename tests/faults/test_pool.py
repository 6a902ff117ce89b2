"""The host's own pages hold every connection of its pool.

The control, a host that waits for its pool, is part of the figure F9.
"""

from __future__ import annotations

import pytest

pytest.importorskip("psycopg", reason="needs psycopg: pip install -e '.[test]'")

from collections.abc import Iterator
from pathlib import Path

from tests.drivers import POSTGRES_DRIVERS, with_driver
from tests.faults.load import under_load
from tests.faults.pool_faults import FAULTS, ONE_PROCESS, SMALL_POOL
from tests.faults.postgres import Postgres, running_postgres
from tests.faults.report import Report
from tests.support import need_module


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@pytest.fixture(params=POSTGRES_DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    need_module(request.param)
    driver: str = request.param
    return driver


def run(postgres: Postgres, folder: Path, fault: str, driver: str) -> Report:
    with postgres.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS user_events")
    url = with_driver(postgres.url, driver)
    return under_load(url, folder, FAULTS[fault](postgres), kind=ONE_PROCESS, settings=SMALL_POOL)


def test_events_go_on_where_the_hosts_pages_hold_its_whole_pool(
    postgres: Postgres, tmp_path: Path, driver: str
) -> None:
    report = run(postgres, tmp_path, "pool_held", driver)

    assert report.complaints() == []
    assert set(report.statuses()) == {202}


def test_without_a_connection_to_be_had_events_are_503_in_time_and_go_on_by_themselves(
    postgres: Postgres, tmp_path: Path, driver: str
) -> None:
    report = run(postgres, tmp_path, "pool_held_and_ours_lost", driver)

    assert report.complaints() == []
    assert report.statuses()[503] > 0
