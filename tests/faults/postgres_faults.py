"""What can happen to a PostgreSQL while events arrive."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psycopg

from tests.faults.postgres import Postgres

DOWN_SECONDS = 1.5
FROZEN_SECONDS = 3


def crash(postgres: Postgres) -> None:
    postgres.stop("immediate")
    time.sleep(DOWN_SECONDS)
    postgres.start()


def restart(postgres: Postgres) -> None:
    postgres.stop("fast")
    postgres.start()


def freeze(postgres: Postgres) -> None:
    postgres.signal_all(signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    postgres.signal_all(signal.SIGCONT)
    postgres.wait_until_it_accepts()


def kill_a_backend(postgres: Postgres) -> None:
    postgres.kill_a_backend()
    postgres.wait_until_it_accepts()


def lock_table(postgres: Postgres) -> None:
    with postgres.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE user_events IN ACCESS EXCLUSIVE MODE")
        time.sleep(FROZEN_SECONDS)


def end_connections(postgres: Postgres, *, that_run: str = "", or_copy: str = "") -> None:
    """End the clients whose last statement begins so; all of them where nothing is said."""
    with postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND (query LIKE %s OR query LIKE %s)",
            [f"{that_run}%", f"{or_copy}%"],
        )


def no_connection_left(postgres: Postgres) -> None:
    """Somebody else takes every connection there is, after ours have been ended."""
    taken = []
    try:
        end_connections(postgres)
        deadline = time.monotonic() + FROZEN_SECONDS
        while time.monotonic() < deadline:
            try:
                taken.append(postgres.connect())
            except psycopg.OperationalError:  # that was the last one
                time.sleep(0.05)
    finally:
        for connection in taken:
            connection.close()
    postgres.wait_until_it_accepts()


FAULTS: dict[str, Callable[[Postgres], None]] = {
    "crash": crash,
    "restart": restart,
    "freeze": freeze,
    "kill_a_backend": kill_a_backend,
    "lock_table": lock_table,
    "no_connection_left": no_connection_left,
}
