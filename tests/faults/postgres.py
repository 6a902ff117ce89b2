"""A PostgreSQL that can be crashed, restarted, frozen and hurt."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support import free_port, need, postgres_binary

START_SECONDS = 60


class Postgres:
    """A server on loopback with a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._port = free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"
        self._as_postgres: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres"]
            self._as_postgres.append("--clear-groups")
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust", "-E", "UTF8")

    def start(self) -> None:
        """Return when it accepts connections."""
        options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1"
            f" -c unix_socket_directories={self.folder}"
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-l", log, "-o", options, "-w", "start")
        self.wait_until_it_accepts()

    def stop(self, mode: str) -> None:
        """End it: `immediate` is a crash, `fast` ends the connections in order."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-t", "20", "-w", "stop")

    def wait_until_it_accepts(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.02)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self._port, user="postgres", connect_timeout=2, autocommit=True
        )

    def pids(self) -> list[int]:
        """Return the processes of the server, its first one first."""
        try:
            first = int((self._data / "postmaster.pid").read_text().splitlines()[0])
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        except FileNotFoundError:
            return []
        return [first, *map(int, children)]

    def signal_all(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End all its processes at once, with no time for any to do anything."""
        pids = self.pids()
        self.signal_all(signal.SIGSTOP)  # the first one would answer the death of another
        self.signal_all(signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline, "a killed process does not end"
            time.sleep(0.01)

    def crash(self, number: int) -> None:
        """Stop without a checkpoint; every second time nothing can do anything more at all."""
        if number % 2:
            self.stop("immediate")
        else:
            self.kill()
        self.start()

    def kill_a_backend(self) -> None:
        """Kill the process behind one connection, which makes the server end all and recover."""
        with self.connect() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid <> pg_backend_pid() ORDER BY query_start DESC NULLS LAST LIMIT 1"
            ).fetchone()
        assert found is not None, "nobody is connected"
        os.kill(found[0], signal.SIGKILL)

    def _run(self, program: str, *arguments: str) -> None:
        path = postgres_binary(program)
        assert path is not None
        subprocess.run(
            [*self._as_postgres, path, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            timeout=60,
        )


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    need(postgres_binary("initdb"), "PostgreSQL", "apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="tcs_events_faults_"))
    try:
        postgres = Postgres(folder)
        try:
            postgres.start()
            yield postgres
        finally:
            if postgres.pids():
                postgres.signal_all(signal.SIGCONT)
                postgres.stop("immediate")
    finally:
        shutil.rmtree(folder)
