"""What numbers the rows of our tables in PostgreSQL, and how far it has come.

A backup that was restored in parts leaves a sequence behind the newest id: every row then gets an
id that is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from tcs_events.database.problems import BEHIND, IDS_USED_UP, NO_RIGHT, Problem, filled_in

NEARLY = 0.8
"""Of the ids, so many used is worth a word."""
_TYPE_MAX = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}

_SEQUENCES = sa.text("""
SELECT t.name, format_type(a.atttypid, NULL) AS type, s.oid::regclass::text AS sequence,
       q.seqmax, q.seqincrement,
       pg_get_serial_sequence(t.name, 'id') IS NOT NULL AS is_owned,
       has_sequence_privilege(s.oid, 'SELECT') AS may_select,
       has_sequence_privilege(s.oid, 'USAGE, UPDATE') AS may_use
FROM unnest(CAST(:names AS text[])) AS t(name)
JOIN pg_attribute a ON a.attrelid = to_regclass(t.name) AND a.attname = 'id'
LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
JOIN pg_depend d ON d.deptype IN ('n', 'i') AND (
    (d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass)
    OR (d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND a.attidentity <> ''))
JOIN pg_class s ON s.relkind = 'S'
    AND s.oid = CASE WHEN d.classid = 'pg_attrdef'::regclass THEN d.refobjid ELSE d.objid END
JOIN pg_sequence q ON q.seqrelid = s.oid
ORDER BY t.name
""")


@dataclass(frozen=True, slots=True)
class Numbering:
    """How the rows of one table get their ids."""

    table: str
    sequence: str
    is_owned: bool
    """Whether `pg_get_serial_sequence` finds the sequence."""
    may_use: bool
    next_id: int
    newest_id: int
    """0 where the table is empty."""
    limit: int

    @property
    def share_used(self) -> float:
        """How many of all ids are used, from 0 to 1."""
        return self.next_id / self.limit

    def problem(self) -> Problem | None:
        """Return what keeps the next row from being stored, None where nothing does."""
        names = {"table": self.table, "sequence": self.sequence}
        if not self.may_use:
            return filled_in(NO_RIGHT, **names)
        if self.next_id > self.limit:
            return filled_in(IDS_USED_UP, **names)
        if self.next_id <= self.newest_id:
            return filled_in(BEHIND, **names) if self.is_owned else self._behind_by_name()
        return None

    def _behind_by_name(self) -> Problem:
        found = filled_in(BEHIND, table=self.table)
        by_column = f"pg_get_serial_sequence('{self.table}', 'id')"
        return replace(found, remedy=found.remedy.replace(by_column, f"'{self.sequence}'"))


def numberings(connection: Connection, tables: Iterable[Table]) -> list[Numbering]:
    """Return how those of the tables that are there are numbered. Two statements.

    An empty list on any other database, where the database itself sees that it goes on.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not say.
    """
    if connection.dialect.name != "postgresql":
        return []
    names = [table.fullname for table in tables if "id" in table.columns]
    found = connection.execute(_SEQUENCES, {"names": names}).all()
    if not found:
        return []
    looks = " UNION ALL ".join(_look(at, row) for at, row in enumerate(found))
    values = {row.at: row for row in connection.exec_driver_sql(looks)}
    return [
        Numbering(
            table=row.name,
            sequence=row.sequence,
            is_owned=row.is_owned,
            may_use=row.may_use,
            next_id=(values[at].last_value or 0)
            + (row.seqincrement if values[at].is_called else 0),
            newest_id=values[at].newest or 0,
            limit=min(row.seqmax, _TYPE_MAX.get(row.type, row.seqmax)),
        )
        for at, row in enumerate(found)
    ]


def _look(at: int, row: sa.Row[Any]) -> str:
    """Return a SELECT of the newest id and of where the sequence is, as far as we may read it."""
    if row.may_select:
        source = row.sequence
    else:
        last = f"pg_sequence_last_value('{row.sequence}'::regclass)" if row.may_use else "0"
        source = f"(SELECT {last} AS last_value, true AS is_called) AS s"
    newest = f"(SELECT max(id) FROM {row.name}) AS newest"  # noqa: S608  (names of ours)
    return f"SELECT {at} AS at, {newest}, last_value, is_called FROM {source}"  # noqa: S608
