"""gunicorn and nginx as the documents set them up, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.deployment.wire import exchange, request
from tests.faults import host
from tests.support import ROOT, free_port, need, need_module

NGINX_CONF = Path(__file__).with_name("nginx.conf")
START_SECONDS = 60
STOP_SECONDS = 60


@dataclass(frozen=True)
class App:
    """A running gunicorn, and nginx in front of it where there is one."""

    port: int
    """Where clients ask: nginx where there is one."""
    pid: int
    """The master of gunicorn."""
    database_url: str
    log: Path

    def sessions(self) -> list[str]:
        """Return the session of each stored event."""
        engine = create_engine(self.database_url)
        with engine.connect() as connection:
            found = connection.execute(text("SELECT session_id FROM user_events ORDER BY id"))
            sessions = [row.session_id for row in found]
        engine.dispose()
        return sessions

    def rss_mb(self) -> float:
        """Return the memory of all processes of gunicorn, in MB."""
        pages = 0
        for pid in (self.pid, *self.workers()):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]


@contextmanager
def gunicorn(
    folder: Path, *, workers: int = 1, threads: int = 4, proxied: bool = False, **settings: object
) -> Iterator[App]:
    """Run the app on SQLite until the block ends."""
    need_module("gunicorn")
    need_module("limits")
    port, url, log = free_port(), f"sqlite:///{folder}/host.db", folder / "gunicorn.log"
    host.create_tables(url)
    command = [
        *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
        *("--workers", str(workers), "--threads", str(threads), "--keep-alive", "75"),
        *("--log-level", "warning", "--graceful-timeout", "1"),
        "tests.deployment.host:create_app()",
    ]
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "SETTINGS": json.dumps(settings),
        "PROXIED": str(int(proxied)),
        "PYTHONPATH": str(ROOT),
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(port, process, log)
        yield App(port, process.pid, url, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)


@contextmanager
def nginx(folder: Path, app: App) -> Iterator[App]:
    """Run nginx in front of an app until the block ends."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    need(binary, "nginx", "apt-get install nginx-light")
    assert binary is not None
    port, log = free_port(), folder / "nginx.log"
    conf = folder / "nginx.conf"
    conf.write_text(rendered(folder, port, app.port))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [binary, "-e", str(log), "-c", str(conf)], stdout=output, stderr=output
        )
    try:
        _wait_until_it_answers(port, process, log)
        yield App(port, app.pid, app.database_url, app.log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def rendered(folder: Path, port: int, app_port: int) -> str:
    """Return the documented configuration with our ports, and what Debian's nginx.conf has."""
    site = NGINX_CONF.read_text()
    for documented, ours in {
        "listen 80": f"listen 127.0.0.1:{port}",
        ":8000": f":{app_port}",
    }.items():
        assert site.count(documented) == 1
        site = site.replace(documented, ours)
    paths = "\n".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    return (
        f"{user} daemon off; worker_processes 1; pid {folder}/nginx.pid;\n"
        "events { worker_connections 768; }\n"
        f"http {{ access_log off;\n{paths}\n{site}}}\n"
    )


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")
        with contextlib.suppress(OSError):
            if exchange(port, request("GET", "/alive"), seconds=5).statuses == [200]:
                return
        time.sleep(0.02)
    raise TimeoutError(log.read_text(errors="replace"))
