"""A disk that fills up with events, for SQLite and for PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.clients import Visitors
from tests.faults.load import Fault, under_load
from tests.faults.report import Report
from tests.support import need

if TYPE_CHECKING:  # what PostgreSQL is spoken to with may not be installed
    from tests.faults.postgres import Postgres

FULL_SECONDS = 1.5
FREE_BYTES, BALLAST_BYTES = 4 << 20, 12 << 20
NEW_DATABASE_BYTES = 8 << 20
"""What PostgreSQL 15 writes for a database without a table of anybody's."""
PADDING = 1500
"""Of an event in bytes: enough to fill such a disk in a few seconds."""


@contextmanager
def small_disk(folder: Path, besides: int = 0) -> Iterator[Path]:
    """Give a folder on a disk of its own, part of it taken by a file named ballast.

    Args:
        folder: where to make it.
        besides: how many bytes there are to be for something else than events.
    """
    folder.mkdir()
    options = ["-o", f"size={FREE_BYTES + BALLAST_BYTES + besides}", "none", str(folder)]
    mounted = subprocess.run(["mount", "-t", "tmpfs", *options], capture_output=True)
    need(mounted.returncode == 0, "a small disk", "run as root where mount is allowed")
    try:
        (folder / "ballast").write_bytes(bytes(BALLAST_BYTES))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def database_on_a_small_disk(postgres: Postgres) -> Iterator[tuple[str, Path]]:
    """Give the URL of a database whose tables are on a small disk, and that disk."""
    with small_disk(postgres.folder / "disk", NEW_DATABASE_BYTES) as disk:
        tables = disk / "tables"
        tables.mkdir()
        shutil.chown(tables, "postgres", "postgres")
        with postgres.connect() as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{tables}'")
            connection.execute("CREATE DATABASE small TABLESPACE small")
        try:
            yield f"{postgres.url.rpartition('/')[0]}/small", disk
        finally:
            with postgres.connect() as connection:
                connection.execute("DROP DATABASE small WITH (FORCE)")
                connection.execute("DROP TABLESPACE small")


def filling(
    url: str, disk: Path, folder: Path, *, face: str = "view", kind: str = "gunicorn-gthread"
) -> Report:
    """Let the disk of a database fill up with events; then there is room again."""
    how = {"face": face, "kind": kind, "padding": PADDING}
    # Little calm after it, or the disk is full once more.
    return under_load(url, folder, _full(disk), calm_after=0.05, **how)


def _full(disk: Path) -> Fault:
    def fault(visitors: Visitors) -> None:
        refused = visitors.first_5xx(after=time.monotonic())
        assert refused, "the disk does not get full"
        time.sleep(FULL_SECONDS)
        (disk / "ballast").unlink()

    return fault
