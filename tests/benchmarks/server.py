"""A server process of our own: started, told from others, measured and stopped."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT, free_port

SERVERS = ("gunicorn", "granian")
THREADS = 64  # as many as the most connections, so that none waits for a thread
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _command(python: Path, server: str, app: str, port: int, threads: int) -> list[str]:
    module, factory = app.split(":")
    command = [str(python), "-m", server]
    if server == "gunicorn":
        command += ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "1"]
        return [*command, "--threads", str(threads), "--log-level", "warning", f"{app}()"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--interface", "wsgi", "--workers", "1"]
    command += ["--blocking-threads", str(threads), "--log-level", "warning", "--factory"]
    return [*command, f"{module}:{factory}"]


class Server:
    """A running server, and the processes it has started."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._process = process
        self._port = port
        self._log = log
        self._wait_until_served()
        self._pids = self._find_pids()

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes up to now."""
        ticks = 0
        for pid in self._pids:
            # The name in parentheses may hold spaces; utime and stime are 11 and 12 after it.
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
        return ticks / TICKS_PER_SECOND

    def resident_mib(self) -> float:
        """Return the memory of all its processes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids)
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def post(self, path: str, body: str) -> None:
        """Post a body, and fail with the answer if it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
        connection.close()
        if response.status != 202:
            log = self._end_of_log()
            raise RuntimeError(f"POST {path} is answered {response.status}: {answer}\n{log}")

    def check(self) -> None:
        """Fail if a process has ended or been replaced: it would be measured too little."""
        if self._process.poll() is not None or self._find_pids() != self._pids:
            raise RuntimeError(f"the server did not live through it:\n{self._end_of_log()}")

    def _find_pids(self) -> set[int]:
        found, to_visit = set(), [self._process.pid]
        while to_visit:
            pid = to_visit.pop()
            found.add(pid)
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError):  # the thread has just ended
                    to_visit += [int(child) for child in (task / "children").read_text().split()]
        return found

    def _wait_until_served(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server did not start:\n{self._end_of_log()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
                connection.request("GET", "/")  # any answer will do
                connection.getresponse()
                connection.close()
                return
            time.sleep(0.05)
        raise TimeoutError(f"the server does not answer:\n{self._end_of_log()}")

    def _end_of_log(self) -> str:
        return self._log.read_text()[-3000:]


@contextmanager
def running(
    python: Path,
    server: str,
    app: str,
    threads: int,
    database_url: str,
    folder: Path,
    core: int | None,
) -> Iterator[Server]:
    """Run `module:factory` with one worker process, on a core of its own if there is one."""
    port = free_port()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise RuntimeError(f"port {port} is taken: another server would be measured")
    log = folder / "server.log"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "BENCHMARK_DATABASE_URL": database_url,
        "BENCHMARK_LOG": str(folder / "app.log"),
    }
    pin = ["taskset", "--cpu-list", str(core)] if core is not None else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pin, *_command(python, server, app, port, threads)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Server(process, port, log)
    finally:
        process.terminate()
        try:
            process.wait(30)  # for the requests that are under way
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
