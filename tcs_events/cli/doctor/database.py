"""Checks whether the database keeps what it has committed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from sqlalchemy import Engine

from tcs_events.cli.doctor.finding import HINT, WRONG, Finding
from tcs_events.cli.doctor.mariadb import server_findings
from tcs_events.cli.doctor.pooler import pooler_findings
from tcs_events.counts.clock import database_time
from tcs_events.database.asking import briefly
from tcs_events.database.pools import is_lasting
from tcs_events.database.sqlite_file import path_of
from tcs_events.database.sqlite_journal import OURS, WAL, Journal
from tcs_events.host import Registration
from tcs_events.settings import SYNCED
from tcs_events.stores import SqlStore
from tcs_events.stores.postgresql import PostgresConnection
from tcs_events.watch.health import explain

SECONDS = 2.0
CLOCK_SECONDS = 2.0
"""How far the clocks may be apart: reports compare times that are seconds apart."""
ROOM_BYTES = 100 * 1024 * 1024
CHECK_BYTES = 200 * 1024 * 1024
"""SQLite checks a file of this size in about a second."""
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


def database_findings(registration: Registration, what: str) -> list[Finding]:
    """Check the database of the events. The first finding is whether it answers.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it does not answer.
    """
    engine = registration.database.engine
    is_synced = registration.settings.durability == SYNCED
    with briefly(engine, int(SECONDS * 1000)) as connection:
        connection.exec_driver_sql("SELECT 1")
    findings = [Finding(what)]
    if not is_lasting(engine):
        remedy = "it is in memory, and lost when the process ends; use a file or a server"
        return [Finding(what, HINT, remedy)]
    look = {
        "sqlite": _of_sqlite,
        "postgresql": _of_postgresql,
        "mysql": _of_mariadb,
        "mariadb": _of_mariadb,
    }.get(engine.dialect.name)
    if look is not None:
        findings += look(engine, registration, is_synced)
    return findings


def _own_connection(registration: Registration) -> Any:
    """Return the driver's connection that events are written on.

    Returns None if they are written on the host's connections, or not into the database.
    """
    store = registration.store
    return store.own_connection(monotonic() + SECONDS) if isinstance(store, SqlStore) else None


def _journal(registration: Registration) -> Journal | None:
    store = registration.store
    return store.journal() if isinstance(store, SqlStore) else None


def _postgres_connections(registration: Registration) -> list[PostgresConnection]:
    store = registration.store
    connections = store.connections.each if isinstance(store, SqlStore) else ()
    return [each for each in connections if isinstance(each, PostgresConnection)]


def _of_sqlite(engine: Engine, registration: Registration, is_synced: bool) -> list[Finding]:
    path = path_of(engine)
    try:
        driver = _own_connection(registration)
        if driver is None:
            return []
        driver.execute("BEGIN IMMEDIATE")
        driver.execute(f"PRAGMA user_version = {_pragma(driver, 'user_version')}")
        driver.execute("ROLLBACK")
    except Exception as error:
        return [Finding("SQLite file", WRONG, str(explain(error)))]
    mode = _pragma(driver, "journal_mode")
    journal = _journal(registration)
    synchronous = _SYNCHRONOUS[_pragma(driver, "synchronous")]
    safe = synchronous == ("FULL" if mode == WAL else "EXTRA") or not is_synced
    by = f" (set by {journal.chosen_by})" if journal else ""
    durability = f"SQLite journal {mode}{by}, synchronous {synchronous}"
    findings = [
        Finding(durability)
        if safe
        else Finding(durability, WRONG, "202 would not survive a power cut; report this as a bug")
    ]
    if safe and mode != WAL:
        remedy = "readers and writers wait for each other; "
        if journal and journal.chosen_by == OURS:
            remedy += "move the file to a local disk, where SQLite can use its write-ahead log"
        else:
            remedy += "with journal_mode = WAL they would not"
        findings = [Finding(durability, HINT, remedy)]
    free = shutil.disk_usage(os.path.dirname(path)).free
    findings.append(
        Finding("SQLite file can be written")
        if free > ROOM_BYTES
        else Finding("SQLite file", HINT, f"its disk has {free // 1024**2} MiB left; make room")
    )
    findings.append(_integrity(driver, path))
    return findings


def _integrity(driver: Any, path: str) -> Finding:
    what = "SQLite integrity"
    if os.path.getsize(path) > CHECK_BYTES:
        remedy = "the file is too large to check quickly; run `PRAGMA quick_check` at night"
        return Finding(what, HINT, remedy)
    if _pragma(driver, "quick_check(1)") == "ok":
        return Finding(what)
    return Finding(what, WRONG, "the file is damaged; restore it from a backup")


def _pragma(driver: Any, text: str) -> Any:
    return driver.execute(f"PRAGMA {text}").fetchone()[0]


def _of_postgresql(engine: Engine, registration: Registration, is_synced: bool) -> list[Finding]:
    with briefly(engine, int(SECONDS * 1000)) as connection:

        def show(name: str) -> str:
            return str(connection.exec_driver_sql(f"SHOW {name}").scalar())

        before = datetime.now(UTC)
        server_time = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        after = datetime.now(UTC)
        findings = [
            Finding(f"PostgreSQL {show('server_version').split()[0]}"),
            *_postgresql_writes(show, is_synced),
            _clock(server_time, before + (after - before) / 2),
        ]
        if show("autovacuum") == "off":
            remedy = "it is off, so deleted events still take up space; set autovacuum = on"
            findings.append(Finding("PostgreSQL autovacuum", HINT, remedy))
    connections = _postgres_connections(registration)
    for own in connections[:1]:
        synchronous = own.synchronous_commit(monotonic() + SECONDS)
        findings.append(_commits(synchronous, is_synced))
    return findings + pooler_findings(engine, connections)


def _of_mariadb(engine: Engine, registration: Registration, is_synced: bool) -> list[Finding]:
    with briefly(engine, int(SECONDS * 1000)) as connection:
        before = datetime.now(UTC)
        server_time = database_time(connection)
        after = datetime.now(UTC)
        return [
            *server_findings(connection, is_synced=is_synced),
            _clock(server_time, before + (after - before) / 2),
        ]


def _commits(synchronous: str, is_synced: bool) -> Finding:
    what = f"PostgreSQL synchronous_commit {synchronous}"
    if synchronous == "off" and is_synced:
        return Finding(what, WRONG, "202 would not survive a crash; report this as a bug")
    return Finding(what)


def _postgresql_writes(show: Callable[[str], str], is_synced: bool) -> list[Finding]:
    findings = []
    if show("transaction_read_only") == "on":
        remedy = "the server takes no writes; connect to the primary"
        findings.append(Finding("PostgreSQL read-only", WRONG, remedy))
    for name in ("fsync", "full_page_writes"):
        if show(name) == "off" and is_synced:
            remedy = f"202 would not survive a power cut; set {name} = on, or accept that with"
            remedy += " TCS_EVENTS_DURABILITY"
            findings.append(Finding(f"PostgreSQL {name} off", WRONG, remedy))
    if (encoding := show("server_encoding")) != "UTF8":
        remedy = "it lacks characters, and events with those are refused for good; move to a"
        remedy += " database with ENCODING 'UTF8'"
        findings.append(Finding(f"PostgreSQL encoding {encoding}", WRONG, remedy))
    return findings


def _clock(server_time: datetime, our_time: datetime) -> Finding:
    ahead = (server_time - our_time).total_seconds()
    if abs(ahead) <= CLOCK_SECONDS:
        return Finding("clock of the database's server")
    remedy = f"it is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} ours; run NTP"
    return Finding("clock of the database's server", HINT, f"{remedy} on both")
