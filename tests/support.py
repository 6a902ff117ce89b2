"""What tests share: a host to build, an event to post, and the real services they run against."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, make_url, text
from werkzeug.test import TestResponse

from tcs_events.export.json_text import json_text

ROOT = Path(__file__).parent.parent
URL = "/api/events"


def need(found: object, what: str, install: str) -> None:
    """Skip the test where `what` is not to be had. `pytest --no-skips` makes that a failure."""
    if not found:
        pytest.skip(f"needs {what}: {install}")


def need_module(name: str) -> None:
    """Skip the test where a package is not there. Those of the extra `test` usually are."""
    extra = "mysqlclient" if name == "MySQLdb" else "test"
    pytest.importorskip(name, reason=f"needs {name}: pip install -e '.[{extra}]'")


def card_click(**changes: object) -> dict[str, object]:
    """Return a good event, with fields changed or, where the value is `...`, left out."""
    event = {
        "event_type": "card_click",
        "session_id": "visitor-1",
        "payload": {"expert_id": "ada", "context": "grid"},
        **changes,
    }
    return {field: value for field, value in event.items() if value is not ...}


def post(target: Flask | FlaskClient, **changes: object) -> TestResponse:
    """Post a good event, changed as `card_click` says."""
    client = target.test_client() if isinstance(target, Flask) else target
    return client.post(URL, json=card_click(**changes))


def stored(app: Flask) -> list[dict[str, Any]]:
    """Return the rows of `user_events`, oldest first, read past every class of the package."""
    registration = app.extensions["tcs_events"]
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engines[registration.settings.bind_key]
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM user_events ORDER BY id"))
            return [dict(row) for row in rows.mappings()]


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what another thread or process brings about; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


_given_ports: set[int] = set()


def free_port() -> int:
    """Return a port that nobody uses, and that this function has not returned before.

    A browser keeps what a site has stored, by its port. Another test's site must not have the same.
    """
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def postgres_binary(name: str) -> str | None:
    """Return the path of a PostgreSQL program: on the PATH, or where Debian keeps it."""
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(candidates[0]) if candidates else None)


def memory_folder() -> str | None:
    """Return a folder in memory, if there is one with room in which programs may be run."""
    folder = "/dev/shm"
    if not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return None
    return folder if shutil.disk_usage(folder).free > 4 * 2**30 else None


@contextmanager
def postgres_server(where: str | None = None) -> Iterator[str]:
    """Run a new PostgreSQL on loopback; give the URL of its maintenance database.

    It syncs as ever. Where its files are in memory it does not wait for a disk, and a new database
    takes a third of the time.

    Args:
        where: the folder for its files. In memory by default, where that is possible.
    """
    as_postgres: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="tcs_events_postgres_", dir=where or memory_folder()))
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")
    initdb, pg_ctl = postgres_binary("initdb"), postgres_binary("pg_ctl")
    assert initdb is not None
    assert pg_ctl is not None
    data, log, port = folder / "data", folder / "log", free_port()

    def run(*command: str) -> None:
        subprocess.run([*as_postgres, *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        " -c max_prepared_transactions=4"
    )
    try:
        run(initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8")
        run(pg_ctl, "-D", str(data), "-l", str(log), "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@contextmanager
def new_database(server_url: str, name: str) -> Iterator[str]:
    """Make a database on a server of PostgreSQL or MariaDB, give its URL, and drop it."""
    server = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield server.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            force = " WITH (FORCE)" if server.dialect.name == "postgresql" else ""
            connection.execute(text(f"DROP DATABASE {name}{force}"))
        server.dispose()


def kind_of(url: str) -> str:
    """Return which kind of database is at a URL: "sqlite", "postgresql" or "mariadb"."""
    name = make_url(url).get_backend_name()
    return "mariadb" if name == "mysql" else name


def plain(value: object) -> Any:
    """Return a value as a program reads it that was given our JSON."""
    return json.loads(json_text(value))
