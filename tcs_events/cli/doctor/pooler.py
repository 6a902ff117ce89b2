"""Finds out whether a pooler, such as PgBouncer, is between the app and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from sqlalchemy import Engine

from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.database.transactions import HOSTS_THRESHOLD
from tcs_events.stores.postgresql import PostgresConnection

SECONDS = 2.0
ATTEMPTS = 5
"""How often the mode is looked for. Another client may take the server's process in between."""
PREPARED = (
    "the app's driver prepares statements, which another client's process does not know or has"
    " already; set SQLALCHEMY_ENGINE_OPTIONS = {'connect_args': {'prepare_threshold': None}}"
)


def pooler_findings(engine: Engine, connections: Sequence[PostgresConnection]) -> list[Finding]:
    """Return what a pooler means for the app, an empty list if there is none.

    Raises:
        Exception: the driver's error, if the database does not answer.
    """
    if not connections:
        return []
    connections[0].own.get(monotonic() + SECONDS)
    if not connections[0].is_pooled:
        return []
    if not _is_shared(connections):
        return [Finding("PostgreSQL behind a pooler: our settings end with each transaction")]
    what = "PostgreSQL behind a pooler in transaction mode"
    findings = [Finding(f"{what}: our settings end with each transaction")]
    if _prepares(engine):
        findings.append(Finding(what, HINT, PREPARED))
    return findings


def _is_shared(connections: Sequence[PostgresConnection]) -> bool:
    """Return whether two open connections use the same process of the server.

    In session mode each has one of its own until it is closed.
    """
    for _ in range(ATTEMPTS):
        pids = {connection.server_pid(monotonic() + SECONDS) for connection in connections}
        if len(pids) < len(connections):
            return True
    return False


def _prepares(engine: Engine) -> bool:
    """Return whether the host's driver prepares statements: psycopg 3 does, unless told not to."""
    with engine.connect() as connection:
        return HOSTS_THRESHOLD in connection.connection.info
