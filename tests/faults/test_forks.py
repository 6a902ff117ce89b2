"""Workers that are forked from an app (`--preload`) have connections of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.faults.forks import open_files, owners
from tests.faults.ledger import Ledger, stored_rows
from tests.faults.server_contract import post_mixed
from tests.faults.servers import Server

KIND = "gunicorn-preload-4"
EVENTS = 800


def shared_connections(database_url: str, folder: Path, face: str) -> list[set[int]]:
    """Serve events; return who owns each connection that is with more than one process."""
    port = make_url(database_url).port
    assert port is not None
    ledger = Ledger()
    with Server(database_url, folder / "server.log", kind=KIND, face=face) as server:
        answers = post_mixed(server.port, ledger, EVENTS)
        balance = ledger.balance(lambda: stored_rows(database_url))
        found = owners(port, [server.pid, *server.workers()])
    assert {answer.status for answer in answers} <= {202, 422}
    assert balance.violations == {}
    assert len(found) > 1
    return [pids for pids in found.values() if len(pids) > 1]


@pytest.mark.parametrize("database", ["postgres_url", "mariadb_url"])
def test_no_connection_is_shared_by_processes(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    assert shared_connections(request.getfixturevalue(database), tmp_path, "view") == []


def test_a_connection_that_the_factory_has_left_in_the_pool_is_used_by_no_worker(
    postgres_url: str, tmp_path: Path
) -> None:
    # They inherit it, and cannot close it without ending it for their parent.
    assert len(shared_connections(postgres_url, tmp_path, "creates_tables")) == 1


def test_the_harness_sees_a_connection_that_was_made_before_the_fork(
    postgres_url: str, tmp_path: Path
) -> None:
    [pids] = shared_connections(postgres_url, tmp_path, "connects_early")

    assert len(pids) == 5


def test_the_process_that_forks_has_no_sqlite_file_open(sqlite_url: str, tmp_path: Path) -> None:
    with Server(sqlite_url, tmp_path / "server.log", kind=KIND) as server:
        answers = post_mixed(server.port, Ledger(), 200)
        used = [open_files(pid, tmp_path) for pid in server.workers()]
        ours = open_files(server.pid, tmp_path)

    assert {answer.status for answer in answers} <= {202, 422}
    assert any("host.db-wal" in names for names in used)
    assert not {name for name in ours if name.startswith("host.db")}
