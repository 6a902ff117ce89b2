"""Can events be stored now, and what became of those that came? For whoever watches over the app.

Anyone may ask whether events can be stored, and asking costs the database no more than one look a
second. How many there are is a secret of the host, for whom `TCS_EVENTS_HEALTH_ACCESS` lets in.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from time import monotonic
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection, exc

from tcs_events.database.asking import Asker, briefly
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.pools import is_lasting
from tcs_events.database.problems import NO_RIGHT, READ_ONLY, Problem
from tcs_events.database.troubles import problem_of
from tcs_events.errors import (
    ConfigError,
    DatabaseMissing,
    StoreUnavailable,
    TableMissing,
    TcsEventsError,
)
from tcs_events.models import WRITTEN_TABLES, Tables
from tcs_events.stores import SqlStore
from tcs_events.watch.counters import LATENCY_BOUNDS_MS, Counters
from tcs_events.watch.insert_check import insert_problems
from tcs_events.watch.log import Log, log
from tcs_events.watch.tally import Tally, by_outcome

LOOK_SECONDS = 1.0
"""How long the database may take to answer, and how long what it has answered is good for."""
SCHEMA_SECONDS = 10.0
"""How long tables that were all there are not looked at again."""
FAILURE_SECONDS = 10.0
"""How long a failed commit is bad news by itself; then a write must show whether it is over."""


class Watched(Protocol):
    """What is looked at."""

    counters: Counters
    tally: Tally
    tables: Tables

    @property
    def store(self) -> SqlStore: ...

    @property
    def opened_store(self) -> SqlStore | None: ...


class Health:
    """Looks at the database for any number of requests, no more than once a second."""

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
        """Return `status` and `problems`, and what this process has counted if so asked.

        `status` is "ok", or "failing" where there are problems.
        """
        problems = self.problems()
        return {
            "status": "failing" if problems else "ok",
            "problems": [asdict(problem) for problem in problems],
            **(_counts(self._watched) if with_counts else {}),
        }

    def problems(self) -> list[Problem]:
        """Return what is wrong, an empty list where nothing is. It is at most two looks old."""
        ensure_own_state()
        # Whoever comes while somebody looks is told what was seen last, unless that is too old.
        is_recent = monotonic() - self._looked_at < 3 * LOOK_SECONDS
        if is_recent and self._looking.locked():
            return self._problems
        # Not by `acquire`: a request that is ended just after it would keep the lock for ever.
        with self._looking:
            if monotonic() - self._looked_at >= LOOK_SECONDS:
                self._problems = self._look()
                self._looked_at = monotonic()
            return self._problems

    def _look(self) -> list[Problem]:
        try:
            store = self._watched.store
            if problem := store.problem():
                return [problem]
            problems = []
            if is_lasting(store.engine):
                problems = self._asker.ask(LOOK_SECONDS, lambda: self._ask(store))
            return problems or self._look_at_writing(store)
        except Exception as error:
            return [explain(error)]

    def _ask(self, store: SqlStore) -> list[Problem]:
        """Ask the database for our tables, and whether it takes a write."""
        with briefly(store.engine, int(LOOK_SECONDS * 1000)) as connection:
            now = monotonic()
            if now - self._schema_was_right_at >= SCHEMA_SECONDS:
                if problems := _wrong_tables(connection, self._watched.tables):
                    return problems
                if problems := insert_problems(connection, self._written()):
                    return problems
                self._schema_was_right_at = now
            # Under load the lock is often held by ourselves; a commit that has just succeeded is
            # better evidence, and costs nothing.
            if now - store.state().succeeded_at >= LOOK_SECONDS:
                return _refused_write(connection)
        return []

    def _written(self) -> list[sa.Table]:
        return [self._watched.tables[name] for name in WRITTEN_TABLES]

    def _look_at_writing(self, store: SqlStore) -> list[Problem]:
        """Go by what has become of our own writes: a full disk refuses nothing else.

        A failure is believed for a while. Then the counts are written, to see: if only events could
        show that it is over, one that is sent none for its bad health would be ill for ever.
        """
        state = store.state()
        if state.is_failing and (
            monotonic() - state.failed_at < FAILURE_SECONDS or not is_lasting(store.engine)
        ):
            remedy = (store.trouble or StoreUnavailable).remedy
            return [Problem("writing", "the last event was not stored", remedy)]
        is_in_doubt = state.is_failing or self._watched.tally.is_failing
        if is_in_doubt and not self._watched.tally.write_now(store.engine, LOOK_SECONDS):
            problem = "the counts of events cannot be written"
            return [Problem("writing", problem, StoreUnavailable.remedy)]
        return []


def _wrong_tables(connection: Connection, tables: Tables) -> list[Problem]:
    """Return a problem for each table that is not there, or lacks a column."""
    wrong: list[str] = []
    for name, table in tables.items():
        try:
            with connection.begin_nested():
                connection.execute(sa.select(*table.columns).where(sa.false())).all()
        except exc.DBAPIError as error:
            if error.connection_invalidated or _is_for_now(error):
                raise
            wrong.append(name)
    remedy = "run `flask db migrate` and `flask db upgrade`; `flask tcs-events doctor` says more"
    if len(wrong) == len(tables):
        return [Problem("tables", "there are none of them, or no rights", TableMissing.remedy)]
    problem = "it is not there, or lacks a column, or may not be read"
    return [Problem("tables", f"{name}: {problem}", remedy) for name in wrong]


def _refused_write(connection: Connection) -> list[Problem]:
    """Ask for the right to write, and give it back. It is not told from this that there is room."""
    if connection.dialect.name == "sqlite":
        connection.rollback()
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        # A file that may only be read lets a transaction begin, and refuses what is done in it.
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    elif (
        connection.dialect.name == "postgresql"
        and connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
    ):
        return [READ_ONLY]
    connection.rollback()
    return []


def _is_for_now(error: BaseException) -> bool:
    """Tell a database that cannot answer from a table that is not as it should be."""
    problem = problem_of(error)
    return problem is not None and problem.key != "tables" and problem.remedy != NO_RIGHT.remedy


def explain(error: Exception) -> Problem:
    """Return what an error means, without a word of it."""
    if known := problem_of(error):
        return known
    match error:
        case DatabaseMissing():
            remedy = "call `db.init_app(app)` with your `db = SQLAlchemy()`"
            return Problem("config", "the app has no database", remedy)
        case ConfigError():
            remedy = "set SQLALCHEMY_DATABASE_URI, or TCS_EVENTS_BIND_KEY"
            return Problem("config", "the app's settings name no database", remedy)
        case StoreUnavailable():
            problem = "it does not answer in time, or the app's pool has no free connection"
        case exc.DBAPIError() | TcsEventsError():
            problem = "it cannot be reached"
        case _:
            log.warning("tcs_events.health_unknown", reason=type(error).__name__)
            remedy = "run `flask tcs-events doctor`"
            return Problem("health", "it could not be found out", remedy)
    return Problem("database", problem, StoreUnavailable.remedy)


def _counts(watched: Watched) -> dict[str, Any]:
    """Return what this process has counted, and what waits in it."""
    counted = watched.counters.counted()
    store = watched.opened_store
    queued = store.state() if store is not None else None
    outcomes = [(str(outcome), why, events) for (outcome, why), events in counted.outcomes.items()]
    identities = [(str(outcome), why, n) for (outcome, why), n in counted.identities.items()]
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
    """Return in how many milliseconds at most such a share of the requests was answered.

    None where there were none, or where they took longer than the last class says.
    """
    wanted, so_far = sum(latency) * share, 0
    for bound, requests in zip(LATENCY_BOUNDS_MS, latency, strict=False):
        so_far += requests
        if so_far and so_far >= wanted:
            return bound
    return None
