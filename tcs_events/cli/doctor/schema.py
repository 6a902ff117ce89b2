"""Are our tables in the database as this version of the package has them?"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine, Inspector, Table
from sqlalchemy.types import TypeEngine

from tcs_events.cli.doctor.finding import WRONG, Finding
from tcs_events.errors import TableMissing
from tcs_events.models import Tables

MIGRATE = "mend it with `flask db migrate` and `flask db upgrade`"


def schema_findings(engine: Engine, tables: Tables) -> list[Finding]:
    """Compare every table of ours with the database's.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot answer.
    """
    inspector = sa.inspect(engine)
    there = set(inspector.get_table_names())
    findings = []
    for name, table in tables.items():
        if name not in there:
            remedy = f"it is not there; {TableMissing.remedy}"
            findings.append(Finding(f"table {name}", WRONG, remedy))
            continue
        drift = [
            *_drift_of_columns(inspector, table),
            *_drift_of_indexes(inspector, table),
        ]
        findings.append(
            Finding(f"table {name}", WRONG, f"{'; '.join(drift)}; {MIGRATE}")
            if drift
            else Finding(f"table {name}")
        )
    return findings


def _drift_of_columns(inspector: Inspector, table: Table) -> list[str]:
    found: dict[str, Any] = {column["name"]: column for column in inspector.get_columns(table.name)}
    drift = []
    if missing := [column.name for column in table.columns if column.name not in found]:
        drift.append(f"it lacks {', '.join(missing)}")
    drift += [
        f"{column.name} {trouble}"
        for column in table.columns
        if column.name in found and (trouble := _drift_of_type(column.type, found[column.name]))
    ]
    # A column that was renamed is one that we miss, and one that nobody fills.
    drift += [
        f"nothing fills its column {name}, which may not be null"
        for name, column in found.items()
        if name not in table.columns
        and not column["nullable"]
        and column["default"] is None
        and not column.get("identity")
    ]
    return drift


def _drift_of_type(ours: TypeEngine[Any], found: Any) -> str:
    theirs = found["type"]
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
    # What SQLite and MariaDB, which have no such type, keep it in.
    "uuid": {"uuid", "text"},
    "boolean": {"boolean", "integer"},
    "json": {"json", "text"},
}


def _kinds(type_: TypeEngine[Any]) -> set[str]:
    """Return what a column of a type may be called by one database or another."""
    base = type_.impl if isinstance(type_, sa.TypeDecorator) else type_
    for of_type, kind in _KINDS:
        if isinstance(base, of_type):
            return _ALSO.get(kind, {kind})
    return {type(base).__name__}


def _name(type_: TypeEngine[Any]) -> str:
    return min(_kinds(type_))


def _drift_of_indexes(inspector: Inspector, table: Table) -> list[str]:
    """Compare by the columns: a host may name an index as it likes."""
    indexes = inspector.get_indexes(table.name)
    unique = {
        frozenset(one["column_names"]) for one in inspector.get_unique_constraints(table.name)
    } | {frozenset(one["column_names"]) for one in indexes if one["unique"]}
    ordered = {tuple(one["column_names"]) for one in indexes}
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
    if not inspector.get_pk_constraint(table.name)["constrained_columns"]:
        drift.append("it has no primary key")
    return drift
