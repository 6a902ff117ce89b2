"""One measurement: a new database, a new server, a load, and a count of what was stored."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.database import count_rows, empty_database
from tests.benchmarks.load import Answers, bodies, fill_in, post
from tests.benchmarks.rows import Row
from tests.benchmarks.server import THREADS, Server, running
from tests.support import ROOT

WARM_UP_SECONDS = 1


@dataclass
class Setup:
    """What all measurements of a run share."""

    folder: Path
    server_core: int | None
    postgres_url: str | None
    mariadb_url: str | None
    peers_python: Path | None
    load_before: float  # what else the machine had to do
    _files: dict[tuple[int, bool], Path] = field(default_factory=dict)

    def bodies_file(self, row: Row) -> Path:
        key = row.events, row.bookings
        if key not in self._files:
            self._files[key] = self.folder / f"bodies-{len(self._files)}"
            self._files[key].write_text("\n".join(bodies(*key)))
        return self._files[key]

    @contextmanager
    def database(self, kind: str) -> Iterator[tuple[Path, str]]:
        """Give a new folder, and the URL of a new database that may lie in it."""
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as name,
            empty_database(kind, Path(name), self.postgres_url, self.mariadb_url) as url,
        ):
            yield Path(name), url

    def server(
        self, row: Row, server: str, url: str, folder: Path, threads: int = THREADS
    ) -> AbstractContextManager[Server]:
        python = self.peers_python if row.peer else Path(sys.executable)
        assert python is not None
        return running(python, server, row.app, threads, url, folder, self.server_core)


@contextmanager
def _counted(row: Row, database_url: str, folder: Path) -> Iterator[None]:
    """Have a worker count beside the server, where the row asks for one."""
    if row.counted_every is None:
        yield
        return
    command = [sys.executable, "-m", "flask", "--app", row.app, "tcs-events", "worker"]
    command += ["--every", str(row.counted_every)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "BENCHMARK_DATABASE_URL": database_url,
        "BENCHMARK_LOG": str(folder / "worker.log"),
    }
    with (folder / "worker.out").open("wb") as output:
        worker = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        yield
        if worker.poll() is not None:
            raise RuntimeError((folder / "worker.out").read_text())
    finally:
        worker.terminate()
        worker.wait()


@dataclass(frozen=True)
class Measurement:
    """The numbers of one row in one repeat."""

    answers: Answers
    threads: int
    events_per_second: float
    cpu_us_per_event: float
    lost: int  # acknowledged, but not in the table
    too_many: int  # in the table, and more than can have been under way when wrk stopped

    @property
    def trouble(self) -> str:
        """Say what went wrong; "" where nothing did."""
        counts = {
            "refused": self.answers.refused,
            "unanswered": self.answers.broken,
            "lost": self.lost,
            "stored twice": self.too_many,
        }
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def measure(
    setup: Setup,
    row: Row,
    server: str,
    database: str,
    connections: int,
    seconds: int,
    threads: int = THREADS,
    rate: float | None = None,
) -> Measurement:
    """Measure a row under a load, and count what it stored.

    Without a rate, each connection posts again as soon as it is answered.
    """
    lost = too_many = stored_before = 0
    with setup.database(database) as (folder, database_url):
        with (
            setup.server(row, server, database_url, folder, threads) as process,
            _counted(row, database_url, folder),
        ):
            url, file = process.url + row.path, setup.bodies_file(row)
            # wrk can count refusals, but not say why: this one fails with the answer.
            process.post(row.path, fill_in(file.read_text().partition("\n")[0]))
            if row.table is not None:
                stored_before = count_rows(database_url, row.table)
                if not stored_before:
                    raise RuntimeError(f"{row.name} acknowledges an event and does not store it")
            warm_up = post(url, file, connections, WARM_UP_SECONDS, rate)
            cpu_before = process.cpu_seconds()
            answers = post(url, file, connections, seconds, rate)
            cpu_seconds = process.cpu_seconds() - cpu_before
            process.check()
        # The server has ended, and with it whatever was under way.
        if row.table is not None:
            stored = count_rows(database_url, row.table) - stored_before
            acknowledged = warm_up.acknowledged + answers.acknowledged
            surplus = stored - acknowledged * row.events_per_request
            under_way = 2 * connections * row.events_per_request  # both runs were broken off
            lost, too_many = max(0, -surplus), max(0, surplus - under_way)
    events = answers.acknowledged * row.events_per_request
    return Measurement(
        answers=answers,
        threads=threads,
        events_per_second=events / answers.seconds,
        cpu_us_per_event=cpu_seconds * 1e6 / max(1, events),
        lost=lost,
        too_many=too_many,
    )
