"""PostgreSQL is crashed, restarted, frozen and hurt under load, and the web server stays up."""

from __future__ import annotations

import pytest

pytest.importorskip("psycopg", reason="needs psycopg: pip install -e '.[test]'")

import time
from collections.abc import Iterator
from pathlib import Path

from tests.drivers import POSTGRES_DRIVERS, with_driver
from tests.faults.crashes import crash_repeatedly
from tests.faults.load import under_load
from tests.faults.postgres import Postgres, running_postgres
from tests.faults.postgres_faults import FAULTS
from tests.faults.small_disk import database_on_a_small_disk, filling
from tests.support import need_module


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def empty_postgres(postgres: Postgres) -> Postgres:
    with postgres.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS user_events, commits")
        connection.execute("ALTER DATABASE postgres RESET synchronous_commit")
    return postgres


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
def test_a_fault_of_postgresql_is_answered_503_in_time_and_heals_by_itself(
    empty_postgres: Postgres, tmp_path: Path, fault: str, driver: str
) -> None:
    need_module(driver)
    url = with_driver(empty_postgres.url, driver)
    report = under_load(url, tmp_path, lambda visitors: FAULTS[fault](empty_postgres))

    assert report.complaints() == []


def test_a_full_disk_of_postgresql_is_answered_503_until_there_is_room_again(
    postgres: Postgres, tmp_path: Path
) -> None:
    with database_on_a_small_disk(postgres) as (url, disk):
        report = filling(url, disk, tmp_path)

    assert report.complaints() == []
    assert report.statuses()[503] > 0


def test_the_harness_sees_events_lost_in_a_crash_by_a_host_that_does_not_wait_for_the_sync(
    empty_postgres: Postgres, tmp_path: Path
) -> None:
    # A crash that comes just after a sync loses nothing: one of a few does.
    report = crash_repeatedly(
        empty_postgres,
        tmp_path,
        rounds=10,
        face="unsynced",
        until=lambda so_far: bool(so_far.missing),
    )

    assert report.balance.missing


def test_events_are_committed_synchronously_even_where_the_database_says_otherwise(
    empty_postgres: Postgres, tmp_path: Path
) -> None:
    def watch(visitors: object) -> None:
        # The writer's own view of the setting, from inside its transaction.
        with empty_postgres.connect() as connection:
            connection.execute("CREATE TABLE commits (synchronous text)")
            connection.execute(
                "CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " INSERT INTO commits VALUES (current_setting('synchronous_commit'));"
                " RETURN NEW; END $$"
            )
            connection.execute(
                "CREATE TRIGGER note BEFORE INSERT ON user_events"
                " FOR EACH ROW EXECUTE FUNCTION note()"
            )
        time.sleep(0.5)

    with empty_postgres.connect() as connection:
        connection.execute("ALTER DATABASE postgres SET synchronous_commit = off")
    under_load(empty_postgres.url, tmp_path, watch)

    with empty_postgres.connect() as connection:
        noted = connection.execute("SELECT DISTINCT synchronous FROM commits").fetchall()
    assert noted == [("on",)]
