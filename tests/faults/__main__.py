"""The long runs: `python -m tests.faults --help`. They end with 1 where a promise was broken."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
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
from tests.faults.deploys import KINDS as DEPLOYED
from tests.faults.deploys import WAYS, deploy_repeatedly
from tests.faults.kill import kill_on_new_databases
from tests.faults.load import under_load
from tests.faults.postgres import running_postgres
from tests.faults.progress import Progress, say, table
from tests.faults.pruning import WAYS as PRUNED
from tests.faults.pruning import prune_under_load
from tests.faults.report import Report
from tests.faults.server_contract import reconcile, stop_in_order
from tests.faults.servers import FACES, KINDS, SERVERS
from tests.faults.small_disk import database_on_a_small_disk, filling, small_disk
from tests.faults.sync_order import trace_acknowledgements

TRACED_AT_ONCE = 500  # a trace holds every page that was written

Rows = list[dict[str, object]]


def kill(options: argparse.Namespace) -> Rows:
    progress = Progress(options.rounds)
    total = kill_on_new_databases(
        options.database,
        options.rounds,
        kind=options.server,
        face=options.face,
        after_round=lambda so_far: progress.round_done(
            acked=so_far["acked"], missing=so_far["missing"], twice=so_far["twice"]
        ),
    )
    names = ("sent", "acked", "stored", "missing", "twice", "unanswered")
    row: dict[str, object] = {"N kills": options.rounds, **{name: total[name] for name in names}}
    return [{**row, "complaints": f"{total['broken']} events" if total["broken"] else "none"}]


def sync(options: argparse.Namespace) -> Rows:
    acknowledged, syncs, too_early = 0, 0, 0
    rounds = -(-options.events // TRACED_AT_ONCE)
    progress = Progress(rounds)
    with folder() as home, database_server("sqlite", home) as server:
        for number in range(rounds):
            with folder() as traces, new_on(server) as url:
                order = trace_acknowledgements(
                    url,
                    traces,
                    acknowledgements=TRACED_AT_ONCE,
                    visitors=1 if number % 2 else 12,
                    face=options.face,
                )
            acknowledged += order.acknowledged
            syncs += order.syncs
            too_early += len(order.too_early)
            progress.round_done(acked=acknowledged, syncs=syncs, early=too_early)
    complaints = f"{too_early} too early" if too_early else "none"
    return [{"N 202s": acknowledged, "syncs": syncs, "complaints": complaints}]


def _faults(
    options: argparse.Namespace, names: list[str], run: Callable[[str, Path], Report]
) -> Rows:
    """Run each fault so many times; give one row for each, of its worst."""
    progress = Progress(options.rounds * len(names))
    rows: Rows = []
    for name in names:
        reports = []
        for _ in range(options.rounds):
            with folder() as home:
                report = run(name, home)
            reports.append(report)
            progress.round_done(
                fault=name,
                acked=report.balance.acknowledged,
                missing=len(report.balance.missing),
                twice=len(report.balance.twice),
                complaints=report.complaints() or "none",
            )
        complaints = Counter(said for report in reports for said in report.complaints())
        rows.append(
            {
                "fault": name,
                "N": options.rounds,
                "attempts": sum(len(report.answers) for report in reports),
                "acked": sum(report.balance.acknowledged for report in reports),
                "503": sum(report.statuses().get(503, 0) for report in reports),
                "missing": sum(len(report.balance.missing) for report in reports),
                "twice": sum(len(report.balance.twice) for report in reports),
                "slowest s": f"{max(report.slowest() for report in reports):.2f}",
                "healed s": f"{max(report.healed_after or 0 for report in reports):.2f}",
                "complaints": "; ".join(f"{n} x {said}" for said, n in complaints.items())
                or "none",
            }
        )
    return rows


def postgres(options: argparse.Namespace) -> Rows:
    def run(name: str, home: Path) -> Report:
        how = {"face": options.face, "kind": options.server}
        with running_postgres() as server:
            if name == "full":
                with database_on_a_small_disk(server) as (url, disk):
                    return filling(url, disk, home, **how)
            fault = postgres_faults.FAULTS[name]
            return under_load(server.url, home, lambda visitors: fault(server), **how)

    return _faults(options, [*postgres_faults.FAULTS, "full"], run)


def mariadb(options: argparse.Namespace) -> Rows:
    how = {"face": options.face, "kind": options.server}

    def run(name: str, home: Path) -> Report:
        with mariadb_faults.running_for_an_app() as running:
            if name == "full":
                with mariadb_faults.database_on_a_small_disk(running.server) as disk:
                    return filling(running.url, disk, home, **how)
            fault = mariadb_faults.FAULTS[name]
            return under_load(running.url, home, lambda visitors: fault(running.server), **how)

    return _faults(options, [*mariadb_faults.FAULTS, "full"], run)


def sqlite(options: argparse.Namespace) -> Rows:
    how = {"face": options.face, "kind": options.server}

    def run(name: str, home: Path) -> Report:
        url = f"sqlite:///{home}/host.db"
        if name in sqlite_faults.LOCKS:
            return under_load(url, home, sqlite_faults.LOCKS[name](home / "host.db"), **how)
        if name == "full":
            with small_disk(home / "disk") as disk:
                return filling(f"sqlite:///{disk}/host.db", disk, home, **how)
        if name == "long_read":
            return under_load(url, home, sqlite_faults.long_read(home / "host.db"), **how)
        failing = name.removeprefix("sync ").removesuffix(" fails")
        return sqlite_faults.failing_syncs(url, home, failing=failing, face=options.face)

    lasting = [f"sync {number}+ fails" for number in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)]
    syncs = [*lasting, *(f"sync {number} fails" for number in range(5, 21))]
    return _faults(options, [*sqlite_faults.LOCKS, "long_read", "full", *syncs], run)


def network(options: argparse.Namespace) -> Rows:
    def run(name: str, home: Path) -> Report:
        with (
            database_server("postgresql", home) as server,
            new_on(server) as url,
            proxy.proxy_to(url) as (between, through),
        ):
            fault = proxy.FAULTS[name]
            how = {"face": options.face, "kind": options.server}
            return under_load(through, home, lambda visitors: fault(between), **how)

    return _faults(options, list(proxy.FAULTS), run)


def pool(options: argparse.Namespace) -> Rows:
    def run(name: str, home: Path) -> Report:
        with running_postgres() as server:
            return under_load(
                server.url,
                home,
                pool_faults.FAULTS[name](server),
                face=options.face,
                kind=pool_faults.ONE_PROCESS,
                settings=pool_faults.SMALL_POOL,
            )

    return _faults(options, list(pool_faults.FAULTS), run)


def schema(options: argparse.Namespace) -> Rows:
    def run(name: str, home: Path) -> Report:
        with database_server(options.database, home) as server, new_on(server) as url:
            how = {"face": options.face, "kind": options.server}
            return under_load(url, home, drift.FAULTS[name](url), **how)

    return _faults(options, list(drift.FAULTS), run)


def deploys(options: argparse.Namespace) -> Rows:
    rows: Rows = []
    progress = Progress(options.rounds * len(DEPLOYED) * len(WAYS))
    with folder() as home, database_server(options.database, home) as server:
        for kind in DEPLOYED:
            for way in WAYS:
                with folder() as logs, new_on(server) as url:
                    report = deploy_repeatedly(
                        url,
                        logs,
                        rounds=options.rounds,
                        kind=kind,
                        face=options.face,
                        way=way,
                        after_round=lambda done, kind=kind, way=way: progress.round_done(  # type: ignore[misc]
                            server=kind, way=way
                        ),
                    )
                statuses = report.statuses()
                broken = {
                    **report.balance.violations,
                    **{str(its): n for its, n in statuses.items() if its not in (0, 202)},
                }
                rows.append(
                    {
                        "server": kind,
                        "way": way,
                        "N": options.rounds,
                        "acked": report.balance.acknowledged,
                        "missing": len(report.balance.missing),
                        "unanswered": statuses.get(0, 0),
                        "complaints": broken or "none",
                    }
                )
    return rows


def servers(options: argparse.Namespace) -> Rows:
    rows: Rows = []
    progress = Progress(len(SERVERS) * len(FACES))
    with folder() as home, database_server(options.database, home) as server:
        for kind in SERVERS:
            for face in FACES:
                with folder() as logs, new_on(server) as url:
                    report = reconcile(url, logs, events=options.events, kind=kind, face=face)
                with folder() as logs, new_on(server) as url:
                    stopped, seconds = stop_in_order(url, logs, kind=kind, face=face)
                broken: dict[object, int] = {
                    **report.balance.violations,
                    **stopped.balance.violations,
                    **{its: n for its, n in report.statuses().items() if its not in (202, 422)},
                }
                rows.append(
                    {
                        "server": kind,
                        "face": face,
                        "N": options.events,
                        "202": report.statuses().get(202, 0),
                        "422": report.statuses().get(422, 0),
                        "503": report.statuses().get(503, 0),
                        "stored": report.balance.stored,
                        "acked by SIGTERM": stopped.balance.acknowledged,
                        "unanswered": stopped.statuses().get(0, 0),
                        "stop s": f"{seconds:.1f}",
                        "complaints": broken or "none",
                    }
                )
                progress.round_done(server=kind, face=face, complaints=broken or "none")
    return rows


def prune(options: argparse.Namespace) -> Rows:
    rows: Rows = []
    progress = Progress(options.rounds * len(PRUNED))
    if "TMPDIR" not in os.environ:
        tempfile.tempdir = "/var/tmp"  # /tmp may be memory, where a commit costs nothing
    with folder() as home, database_server(options.database, home) as server:
        for _ in range(options.rounds):
            for way, delete in PRUNED.items():
                with folder() as logs, new_on(server) as url:
                    how = {"rows": options.rows, "face": options.face, "kind": options.server}
                    pruned = prune_under_load(url, logs, delete, **how)
                said = "; ".join(pruned.harm()) or "none"
                is_control = way == "one DELETE"
                complaints = "none" if is_control else said
                if is_control and said == "none" and options.database == "sqlite":
                    complaints = "the control does no harm: nothing is shown by the other"
                row: dict[str, object] = {"deleted by": way, "N": options.rows}
                rows.append({**row, **pruned.row(), "harm": said, "complaints": complaints})
                progress.round_done(way=way, **pruned.row(), harm=said)
    return rows


RUNS = (kill, sync, postgres, mariadb, sqlite, network, pool, schema, deploys, servers, prune)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    runs = {run.__name__: run for run in RUNS}
    parser.add_argument("run", choices=list(runs))
    parser.add_argument("--rounds", type=int, help="kills, restarts, or times for each fault")
    parser.add_argument("--events", type=int, default=10_000, help="of sync and servers")
    parser.add_argument("--rows", type=int, default=500_000, help="of prune: how many are old")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "mariadb"], default="sqlite")
    parser.add_argument("--server", choices=list(KINDS), default="gunicorn-gthread")
    parser.add_argument("--face", choices=FACES, default="view")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.run == "prune" else 10)
    # The servers are not in our process group: whoever ends us ends them by our way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows = runs[options.run](options)
    say(table(rows))
    return 1 if any(row["complaints"] != "none" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
