"""What the app's role in PostgreSQL may not do, and the GRANT that lets it."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from tcs_events.database.problems import NO_RIGHT, Problem
from tcs_events.database.schemas import full_name, schema_of

# By the catalogs and not by `to_regclass`, which a role may not ask about a schema that it may not
# use. A sequence of an identity column needs no right.
_RIGHTS = sa.text("""
SELECT quote_ident(current_user) AS role, quote_ident(n.nspname) AS schema,
       has_schema_privilege(n.oid, 'USAGE') AS may_use_schema,
       has_table_privilege(c.oid, 'INSERT') AS may_insert,
       has_column_privilege(c.oid, a.attnum, 'SELECT') AS may_read_ids,
       quote_ident(n.nspname) || '.' || quote_ident(s.relname) AS sequence,
       has_sequence_privilege(s.oid, 'USAGE, UPDATE') AS may_number
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = :id AND NOT a.attisdropped
LEFT JOIN (pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S')
    ON d.refobjid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
WHERE c.relname = :table AND c.relkind IN ('r', 'p')
AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid)
    ELSE n.nspname = :schema END
""")


def missing_grants(connection: Connection, table: Table, unique_id: str) -> list[str]:
    """Return the GRANT statements without which rows cannot be stored. Empty if none is missing.

    Storing a row takes the right to insert, to read the id that keeps rows unique, and to take a
    number from the sequence. Always empty on other databases.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    if connection.dialect.name != "postgresql":
        return []
    names = {"table": table.name, "schema": schema_of(connection, table), "id": unique_id}
    grants = []
    for rights in connection.execute(_RIGHTS, names):
        name = full_name(connection, table)
        needed = [
            (rights.may_use_schema, f"USAGE ON SCHEMA {rights.schema}"),
            (rights.may_insert, f"INSERT ON {name}"),
            (rights.may_read_ids, f"SELECT ({unique_id}) ON {name}"),
            (rights.may_number, f"USAGE ON SEQUENCE {rights.sequence}"),
        ]
        grants += [f"GRANT {what} TO {rights.role}" for may, what in needed if may is False]
    return grants


def with_exact_grants(
    problem: Problem, connection: Connection, table: Table, unique_id: str
) -> Problem:
    """Return a problem of rights with the GRANT statements that solve it, others unchanged.

    It stays as it is if no grant is missing: then a policy of row level security refuses the rows.
    """
    if problem.problem != NO_RIGHT.problem.format(table=full_name(connection, table)):
        return problem
    grants = missing_grants(connection, table, unique_id)
    return replace(problem, remedy=grants_remedy(grants)) if grants else problem


def grants_remedy(grants: list[str]) -> str:
    """Return the remedy for missing grants."""
    return f"as the owner, run `{'; '.join(grants)}`"
