"""Checks that MariaDB or MySQL keeps what it has committed, and compares texts by their bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from tcs_events.cli.doctor.finding import HINT, WRONG, Finding
from tcs_events.database import mysql, mysql_tables

ACCEPT_LOSS = "or accept that with TCS_EVENTS_DURABILITY"
LOST = "202 would not survive a power cut"
_SYNCED = ("1", "3")
"""With these values of `innodb_flush_log_at_trx_commit`, each commit waits for the disk:
https://mariadb.com/kb/en/innodb-system-variables/#innodb_flush_log_at_trx_commit"""
_TABLES = sa.text("""
SELECT engine AS engine FROM information_schema.tables
WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
""")
_COLUMNS = sa.text("""
SELECT column_name AS name, datetime_precision AS precision_
FROM information_schema.columns
WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
""")


def server_name(connection: Connection) -> str:
    """Return the name and the version of the server, such as "MariaDB 10.11.6"."""
    version = str(connection.exec_driver_sql("SELECT version()").scalar_one())
    name = "MariaDB" if mysql.is_mariadb(connection.dialect) else "MySQL"
    return f"{name} {version.split('-')[0]}"


def server_findings(connection: Connection, *, is_synced: bool) -> list[Finding]:
    """Check the settings of the server, which events depend on and only its operator can change.

    Args:
        connection: to the server.
        is_synced: whether a 202 is to survive a power cut.
    """
    values = _variables(connection)
    log_sync = values["innodb_flush_log_at_trx_commit"]
    findings = [
        Finding(server_name(connection)),
        _setting(
            "innodb_flush_log_at_trx_commit", log_sync, log_sync in _SYNCED or not is_synced, "1"
        ),
    ]
    if values.get("log_bin") == "ON":
        # After a crash, InnoDB undoes commits that the binary log does not have.
        binlog_sync = values["sync_binlog"]
        findings.append(
            _setting("sync_binlog", binlog_sync, binlog_sync == "1" or not is_synced, "1")
        )
    if values.get("innodb_doublewrite") in ("OFF", "0"):
        remedy = "a power cut may damage pages; set it to ON, unless the file system prevents that"
        findings.append(Finding("innodb_doublewrite OFF", HINT, remedy))
    if values["read_only"] not in ("OFF", "0"):
        remedy = "the server takes no writes but an administrator's; connect to the primary"
        findings.append(Finding("read_only ON", HINT, remedy))
    return findings


def _setting(name: str, value: str, is_right: bool, right: str) -> Finding:
    what = f"{name} {value}"
    if is_right:
        return Finding(what)
    remedy = f"{LOST}; set {name} = {right} in the server's configuration, and run"
    return Finding(what, WRONG, f"{remedy} `SET GLOBAL {name} = {right}`, {ACCEPT_LOSS}")


def _variables(connection: Connection) -> dict[str, str]:
    names = "'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'innodb_doublewrite'"
    query = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names}, 'read_only')"
    return {str(name): str(value) for name, value in connection.exec_driver_sql(query)}


def table_troubles(connection: Connection, tables: Iterable[Table]) -> dict[str, str]:
    """Return what is wrong with tables, with the statement that mends it, by the table's name.

    Flask-Migrate finds none of this. The tables may have been made by an earlier version.
    """
    troubles = {}
    for table in tables:
        values = {"schema": table.schema, "name": table.name}
        found = connection.execute(_TABLES, values).first()
        if found is None:
            continue
        columns = {row.name: row for row in connection.execute(_COLUMNS, values)}
        if parts := list(_parts(connection, table, found, columns)):
            remedy = f"run `{mysql_tables.repair(connection, table)}`"
            troubles[table.name] = f"{'; '.join(parts)}; {remedy}"
    return troubles


def _parts(
    connection: Connection, table: Table, found: sa.Row[Any], columns: dict[str, sa.Row[Any]]
) -> Iterable[str]:
    if found.engine != "InnoDB":
        yield f"its engine {found.engine} has no transactions, so that 202 promises nothing"
    loose = mysql_tables.other_collations(connection, table)
    if loose:
        yield (
            f"its texts are compared by {' and '.join(loose)}, in which different texts are equal,"
            " so that one visitor may be taken for another"
        )
    times = [
        column.name
        for column in table.columns
        if column.name in columns and columns[column.name].precision_ in range(6)
    ]
    if times:
        yield f"{' and '.join(times)} lack microseconds"
