"""Asks DuckDB about the files: without other files, for a limited time, in limited memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any

from tcs_events.counts.time_limit import OutOfTime, check_time
from tcs_events.database.forks import ensure_own_state, in_each_child

MEMORY = "1GB"
"""How much memory all answers of a process may take together. Beyond that, DuckDB refuses."""
THREADS = 2


class NotAnswered(Exception):
    """The files do not answer the question: ask the database."""


class _Instances:
    """One DuckDB in memory for each folder, because starting one takes tens of milliseconds."""

    def __init__(self) -> None:
        self._of_parents: list[dict[Path, Any]] = []
        self._instances: dict[Path, Any] = {}
        self._lock = threading.Lock()
        in_each_child(lambda: self._reset())  # there is one, for as long as the process lives

    def _reset(self) -> None:
        # The threads of the parent's instances do not exist here. Closing them would wait for them.
        self._of_parents.append(self._instances)
        self._instances, self._lock = {}, threading.Lock()

    def cursor(self, folder: Path) -> Any:
        """Return a new connection, which reads files of this folder only."""
        ensure_own_state()
        with self._lock:
            if folder not in self._instances:
                self._instances[folder] = _new_instance(folder)
            return self._instances[folder].cursor()


def _new_instance(folder: Path) -> Any:
    instance = import_module("duckdb").connect(
        ":memory:",
        config={
            "threads": THREADS,
            "memory_limit": MEMORY,
            "temp_directory": "",  # what does not fit into memory is not written to the disk
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    quoted = str(folder).replace("'", "''")
    instance.execute(f"SET allowed_directories = ['{quoted}']")
    instance.execute("SET enable_external_access = false")
    instance.execute("SET preserve_insertion_order = false")
    instance.execute("SET parquet_metadata_cache = true")
    instance.execute("SET lock_configuration = true")
    return instance


_instances = _Instances()


@contextmanager
def asking(folder: Path, until: float | None) -> Iterator[Any]:
    """Yield a DuckDB connection that reads files of a folder.

    Args:
        folder: the folder of the files.
        until: the `monotonic()` time at which to stop, None for no limit.

    Raises:
        OutOfTime: the time was over.
        NotAnswered: DuckDB met an error: a file is gone, or there is too little memory.
    """
    check_time(until)
    duckdb = import_module("duckdb")
    try:
        with closing(_instances.cursor(folder)) as connection, _interrupted_at(connection, until):
            yield connection
    except duckdb.InterruptException as error:
        raise OutOfTime from error
    except duckdb.Error as error:
        raise NotAnswered from error


@contextmanager
def _interrupted_at(connection: Any, until: float | None) -> Iterator[None]:
    if until is None:
        yield
        return
    timer = threading.Timer(until - monotonic(), connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
