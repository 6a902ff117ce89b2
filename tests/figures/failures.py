"""F9: the database fails in every way we know of; what visitors are told, and how soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults import (
    drift,
    mariadb_faults,
    pool_faults,
    postgres_faults,
    proxy,
    sqlite_faults,
)
from tests.faults.databases import database_server, folder, new_on
from tests.faults.load import Fault, under_load
from tests.faults.postgres import running_postgres
from tests.faults.progress import Progress
from tests.faults.report import Report
from tests.figures.figure import Row

SLOWEST_SECONDS = 2.0
FIRST_202_SECONDS = 1.0
Run = Callable[[str], Report]
"""Lets a fault happen to a host of this face."""


@contextmanager
def _new(database: str) -> Iterator[tuple[Path, str]]:
    with folder() as home, database_server(database, home) as server, new_on(server) as url:
        yield home, url


def _locked(name: str, face: str) -> Report:
    with folder() as home:
        fault = sqlite_faults.LOCKS[name](home / "host.db")
        return under_load(f"sqlite:///{home}/host.db", home, fault, face=face)


def _postgres(name: str, face: str) -> Report:
    with folder() as home, running_postgres() as postgres:
        fault: Fault = lambda visitors: postgres_faults.FAULTS[name](postgres)  # noqa: E731
        return under_load(postgres.url, home, fault, face=face)


def _mariadb(name: str, face: str) -> Report:
    with folder() as home, mariadb_faults.running_for_an_app() as running:
        fault: Fault = lambda visitors: mariadb_faults.FAULTS[name](running.server)  # noqa: E731
        return under_load(running.url, home, fault, face=face)


def _network(name: str, face: str) -> Report:
    with _new("postgresql") as (home, url), proxy.proxy_to(url) as (between, through):
        return under_load(through, home, lambda visitors: proxy.FAULTS[name](between), face=face)


def _pool(name: str, face: str) -> Report:
    with folder() as home, running_postgres() as postgres:
        return under_load(
            postgres.url,
            home,
            pool_faults.FAULTS[name](postgres),
            face=face,
            kind=pool_faults.ONE_PROCESS,
            settings=pool_faults.SMALL_POOL,
        )


def _drift(database: str, name: str, face: str) -> Report:
    with _new(database) as (home, url):
        return under_load(url, home, drift.BREAKING[name](url), face=face)


GROUPS: dict[str, dict[str, Run]] = {
    "SQLite locked": {name: partial(_locked, name) for name in sqlite_faults.LOCKS},
    "PostgreSQL down, hung, locked, out of connections": {
        name: partial(_postgres, name) for name in postgres_faults.FAULTS
    },
    "MariaDB down, hung, locked, read-only, out of connections": {
        name: partial(_mariadb, name) for name in mariadb_faults.FAULTS
    },
    "network to PostgreSQL hung, cut, losing answers": {
        name: partial(_network, name) for name in proxy.FAULTS if name != "slow_down"
    },
    "no connection left in the pool": {"pool": partial(_pool, "pool_held_and_ours_lost")},
    "table or column gone, SQLite and PostgreSQL": {
        f"{database} {name}": partial(_drift, database, name)
        for database in ("sqlite", "postgresql")
        for name in drift.BREAKING
    },
}
CONTROLS: dict[str, Run] = {
    "SQLite locked": partial(_locked, "immediate"),
    "PostgreSQL down, hung, locked, out of connections": partial(_postgres, "crash"),
    "MariaDB down, hung, locked, read-only, out of connections": partial(_mariadb, "crash"),
    "network to PostgreSQL hung, cut, losing answers": partial(_network, "hang"),
    "no connection left in the pool": partial(_pool, "pool_held"),
    "table or column gone, SQLite and PostgreSQL": partial(_drift, "sqlite", "column_renamed"),
}


def _wrong(reports: list[Report]) -> tuple[int, int]:
    """Return how many refusing answers are not as promised, and how many there are."""
    refusing = [answer for report in reports for answer in report.answers if answer.status != 202]
    right = [a for a in refusing if a.status == 503 and a.has_retry_after and a.is_json]
    return len(refusing) - len(right), len(refusing)


def answers(times: int) -> list[Row]:
    progress = Progress(sum(map(len, GROUPS.values())) * times + len(CONTROLS))
    rows = []
    for group, faults in GROUPS.items():
        reports = []
        for name, run in faults.items():
            for _ in range(times):
                reports.append(run("view"))
                progress.round_done(fault=name, complaints=reports[-1].complaints() or "none")
        wrong, refusing = _wrong(reports)
        slowest = max(report.slowest() for report in reports)
        healed = max(report.healed_after or 0 for report in reports)
        broken = any(report.balance.violations or report.balance.unknown for report in reports)
        in_time = slowest <= SLOWEST_SECONDS and healed <= FIRST_202_SECONDS
        control = CONTROLS[group]("naive")
        progress.round_done(fault="control")
        control_wrong, control_refusing = _wrong([control])
        rows.append(
            Row(
                group,
                f"{wrong} of {refusing:,}; {slowest:.2f} s; {healed:.2f} s; {len(reports)} runs",
                not wrong and not broken and in_time and refusing > 0,
                f"no handling: {control_wrong} of {control_refusing}; {control.slowest():.2f} s",
                control_wrong > 0 or control.slowest() > SLOWEST_SECONDS,
            )
        )
    return rows
