"""MariaDB is crashed, restarted, frozen and hurt under load, and the web server stays up."""

from __future__ import annotations

import pytest

pytest.importorskip("pymysql", reason="needs PyMySQL: pip install -e '.[test]'")

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tcs_events.host import registration_of
from tests.conftest import MakeHost
from tests.faults.crashes import crash_repeatedly
from tests.faults.load import under_load
from tests.faults.mariadb_faults import (
    FAULTS,
    Crashing,
    database_on_a_small_disk,
    new_database,
    running_for_an_app,
)
from tests.faults.small_disk import filling
from tests.faults.syncs import strace
from tests.mariadb import INSTALL, MariaDB, mariadb_binary
from tests.stores.storing import append
from tests.stores.test_contract import event
from tests.support import need, need_module, wait_until

DRIVERS = {"pymysql": "pymysql", "mysqldb": "MySQLdb"}


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    need(mariadb_binary("mariadbd") and mariadb_binary("mariadb-install-db"), "MariaDB", INSTALL)
    with running_for_an_app() as running:
        yield running.server


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, server: MariaDB) -> str:
    """The URL of an empty database. Its user has the rights of an ordinary app."""
    need_module(DRIVERS[request.param])
    return new_database(server, request.param)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_mariadb_is_answered_503_in_time_and_heals_by_itself(
    server: MariaDB, url: str, tmp_path: Path, fault: str
) -> None:
    report = under_load(url, tmp_path, lambda visitors: FAULTS[fault](server))

    assert report.complaints() == []


def test_a_full_disk_of_mariadb_is_answered_503_until_there_is_room_again(
    server: MariaDB, url: str, tmp_path: Path
) -> None:
    with database_on_a_small_disk(server) as disk:
        report = filling(url, disk, tmp_path)

    assert report.complaints() == []
    assert report.statuses()[503] > 0


def test_a_mariadb_that_crashes_again_and_again_loses_nothing_acknowledged(
    server: MariaDB, url: str, tmp_path: Path
) -> None:
    report = crash_repeatedly(Crashing(server, url), tmp_path, rounds=5)

    assert report.complaints() == []


def test_the_harness_sees_events_lost_in_a_crash_of_a_server_that_does_not_wait_for_the_sync(
    server: MariaDB, url: str, tmp_path: Path
) -> None:
    """It writes its log once a second. Started again, it is as its configuration says."""

    class Careless(Crashing):
        def crash(self, number: int) -> None:
            super().crash(number)
            careless(server)

    careless(server)
    # A crash that comes just after the log was written loses nothing: one of a few does.
    report = crash_repeatedly(
        Careless(server, url), tmp_path, rounds=10, until=lambda so_far: bool(so_far.missing)
    )

    assert report.balance.missing
    server.stop()
    server.start()


def careless(server: MariaDB) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")


def test_nothing_is_acknowledged_before_the_log_is_synced(
    make_host: MakeHost, server: MariaDB, url: str, tmp_path: Path
) -> None:
    """A duplicate neither: InnoDB shows its row before the commit of the row is synced."""
    app = make_host(url)
    known = event()
    trace = tmp_path / "trace"
    options = ["-e", "trace=fsync,fdatasync", "-y", "-p", str(server.server_pid())]
    with app.app_context():
        store = registration_of(app).store
        append(store, [known])
        with subprocess.Popen(strace(str(trace), *options)) as tracing:
            wait_until(trace.exists)
            time.sleep(0.5)
            for group in ([event()], [known], [known, event()], [event() for _ in range(50)]):
                before = syncs(trace)
                append(store, group)
                assert syncs(trace) > before
            tracing.send_signal(signal.SIGINT)


def syncs(trace: Path) -> int:
    """Return how often the log has been synced."""
    return sum("ib_logfile0" in line and "= 0" in line for line in trace.read_text().splitlines())
