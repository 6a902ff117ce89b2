"""The long runs: `python -m tests.faults --help`. They end with 1 where a promise was broken."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults import postgres_faults, sqlite_faults
from tests.faults.databases import database_server, new_on
from tests.faults.kill import kill_repeatedly
from tests.faults.ledger import Balance
from tests.faults.load import under_load
from tests.faults.postgres import running_postgres
from tests.faults.progress import Progress, say, table
from tests.faults.report import Report
from tests.faults.server_contract import reconcile, stop_in_order
from tests.faults.servers import FACES, KINDS, SERVERS
from tests.faults.sync_order import trace_acknowledgements

ROUNDS_PER_DATABASE = 25
TRACED_AT_ONCE = 500  # a trace holds every page that was written

Rows = list[dict[str, object]]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tcs_events_faults_") as name:
        yield Path(name)


def kill(options: argparse.Namespace) -> Rows:
    progress = Progress(options.rounds)
    total: Counter[str] = Counter()

    def after_round(done: int, balance: Balance) -> None:
        progress.round_done(
            acked=total["acked"] + balance.acknowledged,
            missing=total["missing"] + len(balance.missing),
            twice=total["twice"] + len(balance.twice),
        )

    with folder() as home, database_server(options.database, home) as server:
        for begun in range(0, options.rounds, ROUNDS_PER_DATABASE):
            with folder() as logs, new_on(server) as url:
                report = kill_repeatedly(
                    url,
                    logs,
                    rounds=min(ROUNDS_PER_DATABASE, options.rounds - begun),
                    kind=options.server,
                    face=options.face,
                    after_round=after_round,
                )
            balance = report.balance
            total.update(
                sent=balance.sent,
                acked=balance.acknowledged,
                stored=balance.stored,
                missing=len(balance.missing),
                twice=len(balance.twice),
                unanswered=report.statuses().get(0, 0),
                broken=sum(balance.violations.values()) + balance.unknown,
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
        with running_postgres() as server:
            return under_load(
                server.url,
                home,
                lambda visitors: postgres_faults.FAULTS[name](server),
                face=options.face,
                kind=options.server,
            )

    return _faults(options, list(postgres_faults.FAULTS), run)


def sqlite(options: argparse.Namespace) -> Rows:
    how = {"face": options.face, "kind": options.server}

    def run(name: str, home: Path) -> Report:
        url = f"sqlite:///{home}/host.db"
        if name in sqlite_faults.LOCKS:
            return under_load(url, home, sqlite_faults.LOCKS[name](home / "host.db"), **how)
        if name == "full":
            with sqlite_faults.small_disk(home / "disk") as disk:
                url = f"sqlite:///{disk}/host.db"
                fault = sqlite_faults.full(disk)
                return under_load(url, home, fault, padding=1500, calm_after=0.05, **how)
        from_sync = int(name.removeprefix("sync ").removesuffix("+ fails"))
        return sqlite_faults.failing_syncs(url, home, from_sync=from_sync, face=options.face)

    syncs = [f"sync {number}+ fails" for number in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)]
    return _faults(options, [*sqlite_faults.LOCKS, "full", *syncs], run)


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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("run", choices=["kill", "sync", "postgres", "sqlite", "servers"])
    parser.add_argument("--rounds", type=int, default=10, help="kills, or times for each fault")
    parser.add_argument("--events", type=int, default=10_000, help="of sync and servers")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--server", choices=list(KINDS), default="gunicorn-gthread")
    parser.add_argument("--face", choices=FACES, default="view")
    options = parser.parse_args()
    # The servers are not in our process group: whoever ends us ends them by our way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    runs = {"kill": kill, "sync": sync, "postgres": postgres, "sqlite": sqlite, "servers": servers}
    rows = runs[options.run](options)
    say(table(rows))
    return 1 if any(row["complaints"] != "none" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
