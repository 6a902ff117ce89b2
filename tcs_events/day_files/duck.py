"""Asks DuckDB about the files: without other files, for a limited time, in limited memory."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from tcs_events.counts.time_limit import OutOfTime, check_time
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.watchdog import original

MEMORY = "1GB"
"""How much memory all answers of a process may take together. Beyond that, DuckDB refuses."""
THREADS = 2
AGAIN_SECONDS = 0.05
"""How long after an interruption the next one comes: a statement may have begun in between."""


T = TypeVar("T")


class NotAnswered(Exception):
    """The files do not answer the question: ask the database."""


class Asked:
    """A connection to DuckDB with a time limit. It keeps the tables that are made on it.

    Args:
        connection: of DuckDB's own.
        until: the `monotonic()` time after which no statement begins, None for no limit.
    """

    def __init__(self, connection: Any, until: float | None) -> None:
        self._connection, self._until = connection, until
        self._is_given_up = False

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows. In gevent, other greenlets go on meanwhile.

        Raises:
            OutOfTime: the time was over before.
            duckdb.Error: DuckDB refuses it, or was interrupted.
        """
        check_time(self._until)

        def run() -> list[tuple[Any, ...]] | Exception:
            try:
                if self._is_given_up:
                    return []
                return list(self._connection.execute(statement, parameters).fetchall())
            except Exception as error:  # gevent prints what is raised in its threads
                return error

        try:
            found = _in_real_thread(run)
        except BaseException:  # a greenlet may be ended while the statement runs in a thread
            self._is_given_up = True
            self._connection.interrupt()
            raise
        if isinstance(found, Exception):
            raise found
        return found

    def register(self, name: str, table: Any) -> None:
        """Let statements read a table of Arrow by a name."""
        self._connection.register(name, table)


def _in_real_thread(run: Callable[[], T]) -> T:
    """Call a function that waits in C: where gevent has patched threads, in one of its pool."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return run()
    pool = import_module("gevent").get_hub().threadpool
    found: T = pool.apply(run)
    return found


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
def asking(folder: Path, until: float | None) -> Iterator[Asked]:
    """Yield a connection to DuckDB that reads files of a folder.

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
        connection = _instances.cursor(folder)
        try:
            with _interrupted_at(connection, until):
                yield Asked(connection, until)
        finally:
            # It is busy if a greenlet was ended while a thread used it. Then the thread lets it go.
            with suppress(duckdb.Error):
                connection.close()
    except duckdb.InterruptException as error:
        raise OutOfTime from error
    except duckdb.Error as error:
        raise NotAnswered from error


@contextmanager
def _interrupted_at(connection: Any, until: float | None) -> Iterator[None]:
    """Interrupt the statements of a connection from a time on, and until the block ends.

    The thread is one of the operating system: a greenlet of gevent runs when another one waits.
    """
    if until is None:
        yield
        return
    is_running = original("_thread", "allocate_lock")()
    is_running.acquire()

    def interrupt() -> None:
        seconds = max(0.0, until - monotonic())
        while not is_running.acquire(True, seconds):
            with suppress(Exception):  # the connection has just been closed
                connection.interrupt()
            seconds = AGAIN_SECONDS

    original("_thread", "start_new_thread")(interrupt, ())
    try:
        yield
    finally:
        is_running.release()
