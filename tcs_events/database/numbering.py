"""The sequences that number the rows of our tables in PostgreSQL.

After a partial restore, a sequence may be behind the newest id of its table. Each new row then gets
an id that is already taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from tcs_events.database.problems import BEHIND, IDS_USED_UP, NO_RIGHT, Problem, filled_in
from tcs_events.database.schemas import full_name

NEARLY = 0.8
"""The share of used ids from which the doctor gives a hint."""
_TYPE_MAX = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}

_SEQUENCES = sa.text("""
SELECT t.name, format_type(a.atttypid, NULL) AS type, s.oid::regclass::text AS sequence,
       q.seqmax, q.seqincrement,
       pg_get_serial_sequence(t.name, 'id') IS NOT NULL AS is_owned,
       has_sequence_privilege(s.oid, 'SELECT') AS may_select,
       has_column_privilege(a.attrelid, 'id', 'SELECT') AS may_read_ids,
       has_sequence_privilege(s.oid, 'USAGE, UPDATE') AS may_use,
       quote_ident(current_user) AS role
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
    """The table's full name, with its schema if that is not the default one."""
    sequence: str
    is_owned: bool
    """Whether `pg_get_serial_sequence` finds the sequence."""
    may_use: bool
    """Whether the app's role has the right to take ids from the sequence."""
    next_id: int
    newest_id: int
    """The largest id in the table, 0 if it is empty or the app's role may not read it."""
    limit: int
    role: str
    """The app's role, as a statement has it."""

    @property
    def share_used(self) -> float:
        """The share of all ids that are used: 1 if there are none left."""
        return self.next_id / self.limit

    def problem(self) -> Problem | None:
        """Return what keeps the next row from being stored, None if nothing does."""
        names = {"table": self.table, "sequence": self.sequence}
        if not self.may_use:
            remedy = f"as the owner, run `GRANT USAGE ON SEQUENCE {self.sequence} TO {self.role}`"
            return replace(filled_in(NO_RIGHT, **names), remedy=remedy)
        if self.next_id > self.limit:
            return filled_in(IDS_USED_UP, **names)
        if self.next_id <= self.newest_id:
            return filled_in(BEHIND, **names) if self.is_owned else self._behind_by_name()
        return None

    def _behind_by_name(self) -> Problem:
        """Return the problem with a remedy that names the sequence.

        `pg_get_serial_sequence` does not find a sequence that is not owned by the column.
        """
        problem = filled_in(BEHIND, table=self.table)
        sequence_of_column = f"pg_get_serial_sequence('{self.table}', 'id')"
        remedy = problem.remedy.replace(sequence_of_column, f"'{self.sequence}'")
        return replace(problem, remedy=remedy)


def numberings(connection: Connection, tables: Iterable[Table]) -> list[Numbering]:
    """Return how the rows of each table that exists are numbered. It takes two statements.

    The list is empty on other databases, which keep their numbering ahead by themselves.

    Raises:
        sqlalchemy.exc.DBAPIError: a statement failed.
    """
    if connection.dialect.name != "postgresql":
        return []
    names = [full_name(connection, table) for table in tables if "id" in table.columns]
    sequences = connection.execute(_SEQUENCES, {"names": names}).all()
    if not sequences:
        return []
    query = " UNION ALL ".join(_select_values(place, row) for place, row in enumerate(sequences))
    values = {row.place: row for row in connection.exec_driver_sql(query)}
    return [
        Numbering(
            table=row.name,
            sequence=row.sequence,
            is_owned=row.is_owned,
            may_use=row.may_use,
            next_id=(values[place].last_value or 0)
            + (row.seqincrement if values[place].is_called else 0),
            newest_id=values[place].newest or 0,
            role=row.role,
            limit=min(row.seqmax, _TYPE_MAX.get(row.type, row.seqmax)),
        )
        for place, row in enumerate(sequences)
    ]


def _select_values(place: int, row: sa.Row[Any]) -> str:
    """Return a SELECT of the newest id and of the sequence's value.

    A sequence that the app's role may use but not read is read by `pg_sequence_last_value`.
    """
    if row.may_select:
        source = row.sequence
    else:
        last = f"pg_sequence_last_value('{row.sequence}'::regclass)" if row.may_use else "0"
        source = f"(SELECT {last} AS last_value, true AS is_called) AS s"
    newest_id = f"SELECT max(id) FROM {row.name}" if row.may_read_ids else "SELECT NULL"  # noqa: S608
    newest = f"({newest_id}) AS newest"
    return f"SELECT {place} AS place, {newest}, last_value, is_called FROM {source}"  # noqa: S608
