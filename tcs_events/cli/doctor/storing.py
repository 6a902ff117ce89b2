"""Checks that an event is stored as it was sent: stores one, reads and deletes it, rolls back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Table

from tcs_events.cli.doctor.finding import HINT, WRONG, Finding
from tcs_events.database.asking import briefly
from tcs_events.database.numbering import NEARLY, numberings
from tcs_events.database.privileges import with_exact_grants
from tcs_events.database.schemas import full_name
from tcs_events.database.troubles import problem_of, sqlstate_of
from tcs_events.errors import StoreUnavailable
from tcs_events.event import EMAIL_MAX_LENGTH, SESSION_ID_MAX_LENGTH, new_event_id
from tcs_events.host import Registration
from tcs_events.models import EVENTS_TABLE, IDENTITIES_TABLE, UserEvent, UserEventIdentity
from tcs_events.stores.columns import unique_id
from tcs_events.stores.generic import insert_once
from tcs_events.stores.sql import NO_PRIVILEGE

WHAT = {
    EVENTS_TABLE: "storing and deleting an event",
    IDENTITIES_TABLE: "storing and deleting an identity",
}
STATEMENT_MS = 2000
CHANGED = (
    "some values are stored differently from how they were sent: {columns}; drop the trigger or"
    " rule on {table} that changes them"
)
NO_DELETE = (
    "the app's role may not delete, so `prune` and `forget` cannot; as the owner, run"
    " `GRANT DELETE ON {table} TO` the app's role"
)

NO_SELECT = (
    "the app's role may not read, so reports and commands cannot, and whether a row is stored as it"
    " was sent is not checked; as the owner, run `GRANT SELECT ON {table} TO` the app's role"
)


def storing_findings(registration: Registration) -> list[Finding]:
    """Store one event and one identity with the endpoint's own statement, and roll them back.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    engine = registration.database.engine
    event_type = max(registration.settings.event_types, key=len)
    rows = {EVENTS_TABLE: _event(event_type), IDENTITIES_TABLE: _identity()}
    models = {EVENTS_TABLE: UserEvent.__table__, IDENTITIES_TABLE: UserEventIdentity.__table__}
    findings = [_probe(engine, models[name], row) for name, row in rows.items()]
    return findings + _number_findings(engine, registration)


def _event(event_type: str) -> dict[str, Any]:
    """Return an event with the longest allowed values, and characters that some encodings lack."""
    now = datetime.now(UTC)
    return {
        "event_id": new_event_id(),
        "session_id": "d" * SESSION_ID_MAX_LENGTH,
        "event_type": event_type,
        "payload": {"doctor": ["\N{OWL} \N{CJK UNIFIED IDEOGRAPH-4E2D}", 0.5, None, True]},
        "email": "d" * EMAIL_MAX_LENGTH,
        "created_at": now,
        "received_at": now,
    }


def _identity() -> dict[str, Any]:
    event = _event("")
    return {
        "identity_id": event["event_id"],
        **{name: event[name] for name in ("session_id", "email", "created_at", "received_at")},
    }


def _probe(engine: Engine, table: Table, row: dict[str, Any]) -> Finding:
    what = WHAT[table.name]
    with briefly(engine, STATEMENT_MS) as connection:
        try:
            return _stored(connection, table, row)
        except StoreUnavailable as error:
            return Finding(what, WRONG, error.remedy)
        except sa.exc.DBAPIError as error:
            record_id = unique_id(table).name
            problem = problem_of(error, full_name(engine, table), record_id)
            if problem is None or error.connection_invalidated:
                raise
            connection.rollback()
            return Finding(
                what, WRONG, str(with_exact_grants(problem, connection, table, record_id))
            )
        finally:
            connection.rollback()


def _stored(connection: Connection, table: Table, row: dict[str, Any]) -> Finding:
    record_id = unique_id(table)
    is_this_row = record_id == row[record_id.name]
    insert_once(connection, table, row)
    if connection.dialect.name == "postgresql":
        # Deferred constraints are checked at the commit, and we roll back.
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    what = WHAT[table.name]
    try:
        stored = connection.execute(sa.select(table).where(is_this_row)).mappings().one()
    except sa.exc.DBAPIError as error:
        if sqlstate_of(error) != NO_PRIVILEGE:
            raise
        return Finding(what, HINT, NO_SELECT.format(table=full_name(connection, table)))
    if changed := [name for name, value in row.items() if stored[name] != value]:
        words = CHANGED.format(columns=", ".join(changed), table=full_name(connection, table))
        return Finding(what, WRONG, words)
    try:
        deleted = connection.execute(sa.delete(table).where(is_this_row)).rowcount
    except sa.exc.ProgrammingError:
        deleted = 0
    if deleted:
        return Finding(what)
    return Finding(what, HINT, NO_DELETE.format(table=full_name(connection, table)))


def _number_findings(engine: Engine, registration: Registration) -> list[Finding]:
    """Check the sequences that number the rows. Only PostgreSQL has them."""
    if engine.dialect.name != "postgresql":
        return []
    what = "sequences of ids"
    with briefly(engine, STATEMENT_MS) as connection:
        tables = registration.tables
        sequences = numberings(connection, tables.values())
        written = {full_name(connection, tables[name]) for name in WHAT}
    findings = []
    for numbering in sequences:
        # No event is lost if a table of the counts cannot be written.
        level = WRONG if numbering.table in written else HINT
        if problem := numbering.problem():
            findings.append(Finding(what, level, str(problem)))
        elif numbering.share_used >= NEARLY:
            words = (
                f"{numbering.table} has used {numbering.share_used:.0%} of its ids; in time, run"
                f" `ALTER TABLE {numbering.table} ALTER COLUMN id TYPE bigint` and"
                f" `ALTER SEQUENCE {numbering.sequence} AS bigint NO MAXVALUE`"
            )
            findings.append(Finding(what, HINT, words))
    return findings or [Finding(what)]
