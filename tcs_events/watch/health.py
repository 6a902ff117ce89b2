"""Health: can events be stored now, and what are the counts of this process?

Anyone may ask whether events can be stored. However often they ask, the database is checked at most
once a second. The counts are the host's secret: `TCS_EVENTS_HEALTH_ACCESS` says who sees them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from time import monotonic
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, exc

from tcs_events.database import mysql
from tcs_events.database.asking import Asker, briefly
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.host_database import HostDatabase
from tcs_events.database.pools import is_lasting
from tcs_events.database.problems import NO_RIGHT, READ_ONLY, Problem
from tcs_events.database.troubles import problem_of, sqlstate_of
from tcs_events.errors import (
    ConfigError,
    DatabaseMissing,
    StoreUnavailable,
    TableMissing,
    TcsEventsError,
)
from tcs_events.models import OPTIONAL_TABLES, WRITTEN_TABLES, Tables
from tcs_events.stores import Store
from tcs_events.stores.sql import NO_PRIVILEGE
from tcs_events.watch.counters import LATENCY_BOUNDS_MS, Counters
from tcs_events.watch.insert_check import insert_problems
from tcs_events.watch.log import Log, log
from tcs_events.watch.tally import Tally, by_outcome

LOOK_SECONDS = 1.0
"""How long the database may take to answer a check, and how long the answer stays valid."""
SCHEMA_SECONDS = 10.0
"""How long a successful check of the tables stays valid."""
FAILURE_SECONDS = 10.0
"""How long a failed commit counts as a problem. After that a test write decides."""


class Watched(Protocol):
    """What `Health` checks."""

    counters: Counters
    tally: Tally
    tables: Tables

    @property
    def database(self) -> HostDatabase: ...

    @property
    def store(self) -> Store: ...

    @property
    def opened_store(self) -> Store | None: ...


class Health:
    """Checks the database at most once a second, for any number of requests."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._looking = threading.Lock()
        self._asker = Asker()
        self._problems: list[Problem] = []
        self._looked_at = float("-inf")
        self._schema_was_right_at = float("-inf")

    def report(self, *, with_counts: bool = False) -> dict[str, Any]:
        """Return a dict with `status`, `problems`, and if asked for the counts of this process.

        `status` is "ok" if `problems` is empty, else "failing". Each problem is a dict with `key`,
        `problem` and `remedy`.
        """
        problems = self.problems()
        return {
            "status": "failing" if problems else "ok",
            "problems": [asdict(problem) for problem in problems],
            **(_counts(self._watched) if with_counts else {}),
        }

    def problems(self) -> list[Problem]:
        """Return the problems, an empty list if there are none. They are at most 3 seconds old."""
        ensure_own_state()
        # While another request runs the check, answer with the last result if it is recent.
        is_recent = monotonic() - self._looked_at < 3 * LOOK_SECONDS
        if is_recent and self._looking.locked():
            return self._problems
        # `with`, not `acquire`: a request interrupted just after `acquire` would never release it.
        with self._looking:
            if monotonic() - self._looked_at >= LOOK_SECONDS:
                self._problems = self._look()
                self._looked_at = monotonic()
            return self._problems

    def _look(self) -> list[Problem]:
        try:
            store = self._watched.store
            # First: a query could create an empty file at the path of a deleted one.
            if problem := store.problem():
                return [problem]
            problems = []
            engine = self._watched.database.engine
            if is_lasting(engine):
                problems = self._asker.ask(LOOK_SECONDS, lambda: self._ask(engine, store))
            return problems or self._look_at_writing(engine, store)
        except Exception as error:
            return [explain(error)]

    def _ask(self, engine: Engine, store: Store) -> list[Problem]:
        """Check the tables, and whether the database accepts a write."""
        with briefly(engine, int(LOOK_SECONDS * 1000)) as connection:
            now = monotonic()
            if now - self._schema_was_right_at >= SCHEMA_SECONDS:
                if problems := _wrong_tables(connection, self._needed()):
                    return problems
                if problems := insert_problems(connection, self._written()):
                    return problems
                self._schema_was_right_at = now
            # A recent commit proves that writing works, and costs nothing. Under load a test would
            # also have to wait for the write lock, which our own commits hold.
            if now - store.state().succeeded_at >= LOOK_SECONDS:
                if mysql.is_mysql(connection.dialect):
                    # Only a statement tells: an administrator may write to a read-only server.
                    return insert_problems(connection, self._written())
                return _refused_write(connection)
        return []

    def _needed(self) -> Tables:
        # A proxy sends no visitors to an unhealthy process, and their events need no other tables.
        tables = self._watched.tables
        return {name: tables[name] for name in tables if name not in OPTIONAL_TABLES}

    def _written(self) -> list[sa.Table]:
        return [self._watched.tables[name] for name in WRITTEN_TABLES]

    def _look_at_writing(self, engine: Engine, store: Store) -> list[Problem]:
        """Check whether our own writes succeed: only they fail if the disk is full.

        A failed commit counts as a problem for `FAILURE_SECONDS`. After that the counts are
        written as a test. Without the test, a process that gets no events because it is unhealthy
        would stay unhealthy for ever.
        """
        state = store.state()
        if state.is_failing and (
            monotonic() - state.failed_at < FAILURE_SECONDS or not is_lasting(engine)
        ):
            remedy = (store.trouble or StoreUnavailable).remedy
            return [Problem("writing", "the last event was not stored", remedy)]
        is_in_doubt = state.is_failing or self._watched.tally.is_failing
        if is_in_doubt and not self._watched.tally.write_now(engine, LOOK_SECONDS):
            problem = "the counts of events cannot be written"
            return [Problem("writing", problem, StoreUnavailable.remedy)]
        return []


def _wrong_tables(connection: Connection, tables: Tables) -> list[Problem]:
    """Return a problem for each table that is missing, or lacks a column.

    A table that the app's role may not read is not checked.
    """
    wrong: list[str] = []
    for name, table in tables.items():
        try:
            with connection.begin_nested():
                connection.execute(sa.select(*table.columns).where(sa.false())).all()
        except exc.DBAPIError as error:
            if sqlstate_of(error) == NO_PRIVILEGE:
                continue  # storing an event does not need to read it
            if error.connection_invalidated or _is_temporary(error):
                raise
            wrong.append(name)
    remedy = "run `flask db migrate` and `flask db upgrade`; `flask tcs-events doctor` says more"
    if len(wrong) == len(tables):
        problem = "none of them exists, or the app may not read them"
        return [Problem("tables", problem, TableMissing.remedy)]
    problem = "it does not exist, or lacks a column, or may not be read"
    return [Problem("tables", f"{name}: {problem}", remedy) for name in wrong]


def _refused_write(connection: Connection) -> list[Problem]:
    """Return the problem if the database is read-only. Nothing is changed.

    A full disk is not noticed here: it takes a real commit to see that.
    """
    if connection.dialect.name == "sqlite":
        connection.rollback()
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        # In a read-only file BEGIN IMMEDIATE may succeed; only a write fails.
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    elif (
        connection.dialect.name == "postgresql"
        and connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
    ):
        return [READ_ONLY]
    connection.rollback()
    return []


def _is_temporary(error: BaseException) -> bool:
    """Return whether the database cannot answer now. If False, the table itself is wrong."""
    problem = problem_of(error)
    return problem is not None and problem.key != "tables" and problem.remedy != NO_RIGHT.remedy


def explain(error: Exception) -> Problem:
    """Return the problem behind an error. The error's text is left out: it may quote an event."""
    if problem := problem_of(error):
        return problem
    match error:
        case DatabaseMissing():
            remedy = "call `db.init_app(app)` with your `db = SQLAlchemy()`"
            return Problem("config", "the app has no database", remedy)
        case ConfigError():
            remedy = "set SQLALCHEMY_DATABASE_URI, or TCS_EVENTS_BIND_KEY"
            return Problem("config", "the app's settings name no database", remedy)
        case StoreUnavailable():
            text = "it does not answer in time, or the app's pool has no free connection"
        case exc.DBAPIError() | TcsEventsError():
            text = "it cannot be reached"
        case _:
            log.warning("tcs_events.health_unknown", reason=type(error).__name__)
            remedy = "run `flask tcs-events doctor`"
            return Problem("health", "the check itself failed", remedy)
    return Problem("database", text, StoreUnavailable.remedy)


def _counts(watched: Watched) -> dict[str, Any]:
    """Return the counts of this process, and how much is waiting in it."""
    counted = watched.counters.counted()
    store = watched.opened_store
    queued = store.state() if store is not None else None
    outcomes, identities = (
        [(str(outcome), reason, number) for (outcome, reason), number in counts.items()]
        for counts in (counted.outcomes, counted.identities)
    )
    events, reasons = by_outcome(outcomes)
    bounds = [*map(str, LATENCY_BOUNDS_MS), "more"]
    return {
        "requests": counted.requests,
        "received": counted.received,
        "events": events,
        "reasons": reasons,
        "identities": by_outcome(identities)[0],
        "notes": counted.notes | ({"log_lines_lost": Log.lost_lines} if Log.lost_lines else {}),
        "queue": {
            "events": queued.waiting_events if queued else 0,
            "bytes": queued.waiting_bytes if queued else 0,
        },
        "latency_ms": {
            "p50": percentile(counted.latency, 0.50),
            "p99": percentile(counted.latency, 0.99),
            "requests_up_to": dict(zip(bounds, counted.latency, strict=True)),
        },
    }


def percentile(latency: Sequence[int], share: float) -> int | None:
    """Return the number of milliseconds in which this share of the requests was answered.

    It is an upper bound, one of `LATENCY_BOUNDS_MS`. None means that there were no requests, or
    that the share includes requests of the last class, which has no bound.

    Args:
        latency: the requests of each latency class.
        share: from 0 to 1.
    """
    wanted, counted = sum(latency) * share, 0
    for bound, requests in zip(LATENCY_BOUNDS_MS, latency, strict=False):
        counted += requests
        if counted and counted >= wanted:
            return bound
    return None
