"""F4: syncs that fail with EIO, and a disk that is full.

Where all syncs fail from some point on, no server could go on: that one is killed and started anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.faults import mariadb_faults
from tests.faults.databases import folder
from tests.faults.postgres import running_postgres
from tests.faults.progress import Progress
from tests.faults.report import Report
from tests.faults.small_disk import database_on_a_small_disk, filling, small_disk
from tests.faults.sqlite_faults import failing_syncs
from tests.figures.figure import Row

LASTING = ["1+", "2+", "3+", "4+", "40+"]
ONCE = [str(number) for number in range(5, 21)]


def fail_sync(failing: str, face: str = "view") -> Report:
    with folder() as home:
        return failing_syncs(f"sqlite:///{home}/host.db", home, failing=failing, face=face)


def fill_disk(face: str = "view") -> Report:
    with folder() as home, small_disk(home / "disk") as disk:
        return filling(f"sqlite:///{disk}/host.db", disk, home, face=face)


def fill_disk_of_postgresql(face: str = "view") -> Report:
    with (
        folder() as home,
        running_postgres() as postgres,
        database_on_a_small_disk(postgres) as (url, disk),
    ):
        return filling(url, disk, home, face=face)


def fill_disk_of_mariadb(face: str = "view") -> Report:
    with (
        folder() as home,
        mariadb_faults.running_for_an_app() as running,
        mariadb_faults.database_on_a_small_disk(running.server) as disk,
    ):
        return filling(running.url, disk, home, face=face)


def _row(on: str, reports: list[Report], control: str, control_failed: bool) -> Row:
    missing = sum(len(report.balance.missing) for report in reports)
    acknowledged = sum(report.balance.acknowledged for report in reports)
    failed = [answer for report in reports for answer in report.answers if answer.status != 202]
    # Killed at the end of a run whose syncs all fail: those attempts have no answer.
    answered = [answer for answer in failed if answer.status]
    wrong = [answer for answer in answered if answer.status != 503]
    unrecovered = sum(report.balance.unknown > 0 for report in reports)
    return Row(
        on,
        f"{missing} lost of {acknowledged:,} acknowledged; {len(wrong)} wrong of"
        f" {len(answered):,} refusing answers; {unrecovered} of {len(reports)} runs not recovered",
        not wrong and not unrecovered and not any(report.balance.violations for report in reports),
        control,
        control_failed,
    )


def lost_and_wrong(times: int) -> list[Row]:
    progress = Progress(times * (len(ONCE) + len(LASTING) + 3) + 5)

    def run(name: str, fault: Callable[[], Report]) -> Report:
        report = fault()
        progress.round_done(fault=name, complaints=report.complaints() or "none")
        return report

    def fail(places: list[str]) -> list[Report]:
        each = [place for place in places for _ in range(times)]
        return [run(f"sync {place}", partial(fail_sync, place)) for place in each]

    once, lasting = fail(ONCE), fail(LASTING)
    disks = [run("disk full", fill_disk) for _ in range(times)]
    of_postgresql = [run("disk full, PostgreSQL", fill_disk_of_postgresql) for _ in range(times)]
    of_mariadb = [run("disk full, MariaDB", fill_disk_of_mariadb) for _ in range(times)]
    swallowing = run("control", lambda: fail_sync("2+", "swallows_errors")).balance
    naive = run("control", lambda: fail_sync("2+", "naive")).statuses().get(500, 0)
    naive_full, naive_full_of_postgresql, naive_full_of_mariadb = (
        run("control", partial(fill, "naive")).statuses().get(500, 0)
        for fill in (fill_disk, fill_disk_of_postgresql, fill_disk_of_mariadb)
    )
    return [
        _row(
            "SQLite, EIO of one sync of each thread, its 5th to 20th, without a restart",
            once,
            f"no handling: {naive} times 500",
            naive > 0,
        ),
        _row(
            "SQLite, EIO of all syncs from the 1st, 2nd, 3rd, 4th or 40th on, until a restart",
            lasting,
            f"errors answered 202: {len(swallowing.missing)} lost",
            bool(swallowing.missing),
        ),
        _row(
            "SQLite, disk full until there is room again, without a restart",
            disks,
            f"no handling: {naive_full} times 500",
            naive_full > 0,
        ),
        _row(
            "PostgreSQL, disk of the tables full until there is room again, without a restart",
            of_postgresql,
            f"no handling: {naive_full_of_postgresql} times 500",
            naive_full_of_postgresql > 0,
        ),
        _row(
            "MariaDB, disk of the tables full until there is room again, without a restart",
            of_mariadb,
            f"no handling: {naive_full_of_mariadb} times 500",
            naive_full_of_mariadb > 0,
        ),
    ]
