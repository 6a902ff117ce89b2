"""WSGI servers as process groups of their own: started, killed and stopped at will."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tests.faults import host
from tests.support import ROOT, free_port, need

START_SECONDS = 60
STOP_SECONDS = 60
FACTORY = "tests.faults.host:create_app"


@dataclass(frozen=True)
class Kind:
    """How one server is started."""

    needs: str
    command: Callable[[int], list[str]]


def _gunicorn(*options: str) -> Kind:
    def command(port: int) -> list[str]:
        bind = ["--bind", f"127.0.0.1:{port}", "--workers", "2"]
        # A connection that idles during a fault must not be what ends it.
        quiet = ["--log-level", "warning", "--keep-alive", "30", "--graceful-timeout", "10"]
        return ["gunicorn", *bind, *quiet, *options, f"{FACTORY}()"]

    return Kind("gevent" if "gevent" in options else "gunicorn", command)


def _uwsgi(*options: str) -> Kind:
    def command(port: int) -> list[str]:
        http = ["--http-socket", f"127.0.0.1:{port}", "--add-header", "Connection: close"]
        # Without `--lazy-apps` the app is made once, and its workers are forked in C.
        workers = ["--master", "--processes", "3", "--disable-logging"]
        # Without it, a worker that is busy at SIGTERM ends without `atexit`.
        stop = ["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]
        return ["tests.faults.uwsgi", *http, *workers, *stop, *options, "--module", f"{FACTORY}()"]

    return Kind("pyuwsgi", command)


KINDS = {
    "gunicorn-sync": _gunicorn(),
    # Threads for every visitor in each process: a request that waits for one is not late.
    "gunicorn-gthread": _gunicorn("--threads", "16"),
    "gunicorn-gthread-1": _gunicorn("--threads", "16", "--workers", "1"),
    "gunicorn-gevent": _gunicorn("--worker-class", "gevent"),
    "gunicorn-gevent-1": _gunicorn("--worker-class", "gevent", "--workers", "1"),
    "gunicorn-preload": _gunicorn("--threads", "16", "--preload"),
    "gunicorn-preload-4": _gunicorn("--threads", "4", "--preload", "--workers", "4"),
    "gunicorn-gevent-preload": _gunicorn("--worker-class", "gevent", "--preload"),
    "uwsgi": _uwsgi("--enable-threads"),
    "uwsgi-bare": _uwsgi(),
    "uwsgi-threads": _uwsgi("--threads", "4"),
    "uwsgi-gevent": _uwsgi("--gevent", "50", "--gevent-monkey-patch"),
    "granian": Kind(
        "granian",
        lambda port: [
            *("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "--blocking-threads", "32", "--factory", FACTORY),
        ],
    ),
    "waitress": Kind(
        "waitress",
        lambda port: ["waitress", f"--listen=127.0.0.1:{port}", "--threads=16", "--call", FACTORY],
    ),
    "flask-run": Kind(
        "flask", lambda port: ["flask", "--app", FACTORY, "run", "--port", str(port)]
    ),
}
SERVERS = [
    name for name in KINDS if not name.endswith(("-1", "-4")) and not name.startswith("uwsgi")
]
FACES = ["view", "middleware"]


class Server:
    """A server on a port that it keeps across restarts."""

    def __init__(
        self,
        database_url: str,
        log: Path,
        *,
        kind: str = "gunicorn-gthread",
        face: str = "view",
        under: Sequence[str] = (),
        settings: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        need(importlib.util.find_spec(KINDS[kind].needs), kind, "pip install -e '.[test]'")
        if face == "middleware":
            found = importlib.util.find_spec("tcs_events.wsgi")
            need(found, "tcs_events.wsgi", "a version of the package that has it")
        self.port = free_port()
        self.under = list(under)
        self._command = [sys.executable, "-m", *KINDS[kind].command(self.port)]
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "FACE": face,
            "SETTINGS": json.dumps(dict(settings)),
            "PYTHONPATH": str(ROOT),
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        host.create_tables(database_url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Return when the server answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.under, *self._command],
                cwd=self._log.parent,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the server ended: {self.log_tail()}"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/alive", timeout=5).close()
                return
            time.sleep(0.02)
        raise TimeoutError(f"the server does not answer: {self.log_tail()}")

    @property
    def pid(self) -> int:
        """Its first process, the parent of its workers."""
        assert self._process is not None
        return self._process.pid

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return set(map(int, children.split()))

    def kill(self) -> None:
        """End all its processes at once, as a crash of the machine would."""
        if (process := self._process) is None:
            return
        self._process = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)
        # Its workers may still hold the port and the locks of the database for a moment.
        deadline = time.monotonic() + STOP_SECONDS
        while _lives(process.pid):
            assert time.monotonic() < deadline, "a killed process does not end"
            time.sleep(0.005)

    def stop(self) -> float:
        """End it as a deploy does; return the seconds it took."""
        assert self._process is not None
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_SECONDS)
        seconds = time.monotonic() - started
        self.kill()
        return seconds

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


def _lives(group: int) -> bool:
    """Return whether the process group has a process that is not a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended while we looked
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False
