"""New databases for the long runs, which have no fixtures to bring them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mariadb import mariadb_server
from tests.support import new_database, postgres_server

_numbers = itertools.count(1)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tcs_events_faults_") as name:
        yield Path(name)


@contextmanager
def database_server(kind: str, folder: Path) -> Iterator[str]:
    """Give what `new_on` makes databases on: a URL of a server, or of a folder for SQLite."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}"
        return
    with mariadb_server() if kind == "mariadb" else postgres_server() as url:
        yield url


@contextmanager
def new_on(server: str) -> Iterator[str]:
    """Give the URL of a new, empty database."""
    name = f"faults_{next(_numbers)}"
    if server.startswith("sqlite"):
        yield f"{server}/{name}.db"
        return
    with new_database(server, name) as url:
        yield url
