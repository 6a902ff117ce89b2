"""What can happen to a PostgreSQL while events arrive."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.faults.postgres import Postgres

DOWN_SECONDS = 1.5
FROZEN_SECONDS = 4


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


FAULTS: dict[str, Callable[[Postgres], None]] = {
    "crash": crash,
    "restart": restart,
    "freeze": freeze,
    "kill_a_backend": kill_a_backend,
}
