"""Checks that our tables in the database are as this version of the package needs them.

Alembic's `compare_metadata` says how a table differs from its model, not whether events can still
be stored. It reports a column or an index of the host, a longer index, one of another name, and
`TEXT` for `VARCHAR(320)`, which are all harmless. On PostgreSQL it reports no lost primary key.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Inspector, Table
from sqlalchemy.types import TypeEngine

from tcs_events.cli.doctor.finding import HINT, WRONG, Finding
from tcs_events.cli.doctor.mariadb import table_troubles
from tcs_events.database import mysql
from tcs_events.database.problems import NO_TABLE
from tcs_events.database.schemas import full_name, schema_of
from tcs_events.errors import TableMissing
from tcs_events.models import WRITTEN_TABLES, Tables

MEDDLES = "events whose row they drop are answered 503, and rows they change are stored changed"
EMPTIED = "it is UNLOGGED, so a crash empties it; run `ALTER TABLE {} SET LOGGED`"
MIGRATE = "fix it with `flask db migrate` and `flask db upgrade`"


def schema_findings(engine: Engine, tables: Tables) -> list[Finding]:
    """Compare each of our tables with the one in the database.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    odd_tables = _odd_tables(engine, tables)
    with engine.connect() as connection:  # one for all questions: some pools keep none
        return _findings(connection, engine, tables, *odd_tables)


def _findings(
    connection: Connection,
    engine: Engine,
    tables: Tables,
    unlogged: set[str],
    triggers: dict[str, list[str]],
) -> list[Finding]:
    inspector = sa.inspect(connection)
    on_mysql: dict[str, str] = {}
    if mysql.is_mysql(engine.dialect):
        on_mysql = table_troubles(connection, tables.values())
    findings = []
    for table in tables.values():
        name, schema = full_name(engine, table), schema_of(engine, table)
        if not inspector.has_table(table.name, schema) or table.name in _views(inspector, schema):
            remedy = f"it does not exist; {TableMissing.remedy}"
            if table.name in _views(inspector, schema):
                remedy = f"it is a view; {NO_TABLE.remedy}"
            findings.append(Finding(f"table {name}", WRONG, remedy))
            continue
        drift = [
            *_drift_of_columns(inspector, table, schema),
            *_drift_of_indexes(inspector, table, schema),
        ]
        if drift:
            findings.append(Finding(f"table {name}", WRONG, f"{'; '.join(drift)}; {MIGRATE}"))
        elif name in on_mysql:
            findings.append(Finding(f"table {name}", WRONG, on_mysql[name]))
        elif name in unlogged:
            level = WRONG if table.name in WRITTEN_TABLES else HINT
            findings.append(Finding(f"table {name}", level, EMPTIED.format(name)))
        elif name in triggers:
            words = f"it has triggers or rules: {', '.join(triggers[name])}; {MEDDLES}"
            findings.append(Finding(f"table {name}", HINT, words))
        else:
            findings.append(Finding(f"table {name}"))
    return findings


def _views(inspector: Inspector, schema: str | None) -> list[str]:
    return inspector.get_view_names(schema)  # the inspector remembers the answer


_UNLOGGED = """
SELECT n FROM unnest(CAST(:names AS text[])) AS n JOIN pg_class ON oid = to_regclass(n)
WHERE relpersistence <> 'p'
"""
_TRIGGERS = {
    "postgresql": """
SELECT n, tgname FROM unnest(CAST(:names AS text[])) AS n
JOIN pg_trigger ON tgrelid = to_regclass(n)
WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 4 = 4
UNION ALL
SELECT n, rulename FROM unnest(CAST(:names AS text[])) AS n
JOIN pg_rewrite ON ev_class = to_regclass(n)
WHERE rulename <> '_RETURN'  -- which makes a view
ORDER BY 1, 2
""",
    **dict.fromkeys(
        mysql.NAMES,
        """
SELECT event_object_table, trigger_name FROM information_schema.triggers
WHERE trigger_schema = database() AND event_manipulation = 'INSERT'
AND event_object_table IN ('user_events', 'user_event_identities')
ORDER BY 1, 2
""",
    ),
    "sqlite": """
SELECT tbl_name, name FROM sqlite_master
WHERE type = 'trigger' AND tbl_name IN ('user_events', 'user_event_identities')
ORDER BY 1, 2
""",
}


def _odd_tables(engine: Engine, tables: Tables) -> tuple[set[str], dict[str, list[str]]]:
    """Return the unlogged tables, and the triggers and rules of the tables that requests write.

    By the tables' full names.
    """
    statement = _TRIGGERS.get(engine.dialect.name)
    if statement is None:
        return set(), {}
    is_postgresql = engine.dialect.name == "postgresql"
    names = [full_name(engine, tables[name]) for name in WRITTEN_TABLES if name in tables]
    all_names = [full_name(engine, table) for table in tables.values()]
    triggers: dict[str, list[str]] = {}
    unlogged: set[str] = set()
    with engine.connect() as connection:
        values = {"names": names} if is_postgresql else {}
        for table, name in connection.execute(sa.text(statement), values):
            triggers.setdefault(table, []).append(name)
        if is_postgresql:
            unlogged_names = connection.execute(sa.text(_UNLOGGED), {"names": all_names})
            unlogged.update(unlogged_names.scalars())
    return unlogged, triggers


def _drift_of_columns(inspector: Inspector, table: Table, schema: str | None) -> list[str]:
    actual: dict[str, Any] = {
        column["name"]: column for column in inspector.get_columns(table.name, schema)
    }
    drift = []
    if missing := [column.name for column in table.columns if column.name not in actual]:
        drift.append(f"it lacks {', '.join(missing)}")
    drift += [
        f"{column.name} {trouble}"
        for column in table.columns
        if column.name in actual and (trouble := _drift_of_type(column.type, actual[column.name]))
    ]
    # A renamed column shows up twice: as one that we miss, and as one that nothing fills.
    drift += [
        f"nothing fills its column {name}, which may not be null"
        for name, column in actual.items()
        if name not in table.columns
        and not column["nullable"]
        and column["default"] is None
        and not column.get("identity")
    ]
    return drift


def _drift_of_type(ours: TypeEngine[Any], column: Any) -> str:
    theirs = column["type"]
    if not _kinds(ours) & _kinds(theirs):
        return f"is {_name(theirs)}, not {_name(ours)}"
    our_length, their_length = getattr(ours, "length", None), getattr(theirs, "length", None)
    if our_length and their_length and their_length < our_length:
        return f"has room for {their_length} characters, not {our_length}"
    if isinstance(theirs, sa.dialects.postgresql.TIMESTAMP) and not theirs.timezone:
        return "has no time zone"
    return ""


_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (sa.Boolean, "boolean"),
    (sa.Integer, "integer"),
    (sa.JSON, "json"),
    (sa.Uuid, "uuid"),
    (sa.DateTime, "time"),
    (sa.TIMESTAMP, "time"),
    (sa.Date, "date"),
    (sa.String, "text"),
    (sa.Numeric, "number"),
)
_ALSO = {
    # SQLite and MariaDB lack these types, and use the second one instead.
    "uuid": {"uuid", "text"},
    "boolean": {"boolean", "integer"},
    "json": {"json", "text"},
}


def _kinds(type_: TypeEngine[Any]) -> set[str]:
    """Return the kinds of column in which some database stores this type."""
    base = type_.impl if isinstance(type_, sa.TypeDecorator) else type_
    for base_type, kind in _KINDS:
        if isinstance(base, base_type):
            return _ALSO.get(kind, {kind})
    return {type(base).__name__}


def _name(type_: TypeEngine[Any]) -> str:
    return min(_kinds(type_))


def _drift_of_indexes(inspector: Inspector, table: Table, schema: str | None) -> list[str]:
    """Compare indexes by their columns, because a host may name them as it likes."""
    indexes = inspector.get_indexes(table.name, schema)
    constraints = inspector.get_unique_constraints(table.name, schema)
    unique = {frozenset(constraint["column_names"]) for constraint in constraints} | {
        frozenset(index["column_names"]) for index in indexes if index["unique"]
    }
    ordered = {tuple(index["column_names"]) for index in indexes}
    ours_unique = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    ]
    drift = [
        f"{' and '.join(columns)} should be unique"
        for columns in sorted(ours_unique)
        if frozenset(columns) not in unique
    ]
    ours = sorted([column.name for column in index.columns] for index in table.indexes)
    drift += [
        f"it has no index on {', '.join(columns)}"
        for columns in ours
        if not any(names[: len(columns)] == tuple(columns) for names in ordered)
    ]
    if not inspector.get_pk_constraint(table.name, schema)["constrained_columns"]:
        drift.append("it has no primary key")
    return drift
