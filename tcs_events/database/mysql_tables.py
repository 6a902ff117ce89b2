"""What our tables must be like on MariaDB and MySQL, whatever the defaults of the database are."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects.mysql import DATETIME

from tcs_events.database.mysql import CHARSET, is_mariadb, is_mysql
from tcs_events.database.problems import NO_TABLE, NOT_INNODB, NOT_UNIQUE_MYSQL, Problem, filled_in

_ENGINE = """
SELECT engine FROM information_schema.tables
WHERE table_schema = coalesce(%s, database()) AND table_name = %s
"""
_COLLATIONS = sa.text("""
SELECT column_name AS name, collation_name AS collation FROM information_schema.columns
WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
""")
_UNIQUE = """
SELECT index_name FROM information_schema.statistics
WHERE table_schema = coalesce(%s, database()) AND table_name = %s AND non_unique = 0
GROUP BY index_name HAVING count(*) = 1 AND max(column_name) = %s AND max(sub_part) IS NULL
"""


def collation_by_bytes(dialect: Dialect) -> str:
    """Return the collation in which texts are equal only if their bytes are.

    In others "visitor-a", "visitor-A" and "visitor-a " may be one visitor. The collation that
    MariaDB and every MySQL have ignores spaces at the end, so it is only for a server that has no
    other, and for a server that is not known yet.
    """
    if is_mariadb(dialect):
        return "utf8mb4_nopad_bin"
    if (getattr(dialect, "server_version_info", None) or ()) >= (8, 0, 17):
        return "utf8mb4_0900_bin"
    return "utf8mb4_bin"


def set_table_options(table: Table, dialect: Dialect) -> None:
    """Have a CREATE TABLE make a table that keeps every text, and compares texts by their bytes.

    The database's own defaults may be latin1, a collation that ignores case, and an engine without
    transactions.
    """
    for name, value in _table_options(dialect).items():
        table.kwargs[f"{dialect.name}_{name}"] = value
    for column in table.columns:
        # As a migration of an earlier version has it.
        if type(column.type) is sa.DateTime and not column.type._variant_mapping:
            column.type = DATETIME(fsp=6)


def forget_table_options(table: Table, dialect: Dialect) -> None:
    """Undo `set_table_options`: the next server may need other options."""
    for name in _table_options(dialect):
        table.kwargs.pop(f"{dialect.name}_{name}", None)


def _table_options(dialect: Dialect) -> dict[str, str]:
    return {"engine": "InnoDB", "charset": CHARSET, "collate": collation_by_bytes(dialect)}


def repair(connection: Connection, table: Table) -> str:
    """Return the ALTER TABLE that makes a table of ours as it should be. Nothing is run."""
    dialect = connection.dialect
    preparer = dialect.identifier_preparer
    parts = [
        "ENGINE = InnoDB",
        f"CONVERT TO CHARACTER SET {CHARSET} COLLATE {collation_by_bytes(dialect)}",
    ]
    for column in table.columns:
        type_ = column.type.compile(dialect=dialect)
        if type_.startswith("DATETIME"):
            null = "NULL" if column.nullable else "NOT NULL"
            parts.append(f"MODIFY {preparer.format_column(column)} {type_} {null}")
    return f"ALTER TABLE {preparer.format_table(table)} {', '.join(parts)}"


def storing_problem(cursor: Any, table: Table, unique: str) -> Problem | None:
    """Return what no INSERT would notice, although events would be lost or stored twice.

    Args:
        cursor: of PyMySQL or mysqlclient.
        table: a table that events are written into.
        unique: the name of its column that holds a record's id.
    """
    place = (table.schema, table.name)
    cursor.execute(_ENGINE, place)
    found = cursor.fetchone()
    if found is None:
        return None  # an INSERT says that there is no such table
    if found[0] is None:
        return filled_in(NO_TABLE, table=table.name)
    if found[0] != "InnoDB":
        return filled_in(NOT_INNODB, table=table.name)
    cursor.execute(_UNIQUE, (*place, unique))
    is_unique = cursor.fetchone() is not None
    return None if is_unique else filled_in(NOT_UNIQUE_MYSQL, table=table.name, id=unique)


def other_collations(connection: Connection, table: Table) -> list[str]:
    """Return the collations of a table of ours that take different texts for equal, sorted.

    The table may have been made by an earlier version. The list is empty on other databases.
    """
    if not is_mysql(connection.dialect):
        return []
    values = {"schema": table.schema, "name": table.name}
    collations = {row.name: row.collation for row in connection.execute(_COLLATIONS, values)}
    texts = [column.name for column in table.columns if isinstance(column.type, sa.String)]
    found = {str(collations[name]) for name in texts if collations.get(name)}
    return sorted(found - {collation_by_bytes(connection.dialect)})
