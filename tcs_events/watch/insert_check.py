"""Finds out whether the tables would accept a row, before an event needs it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Table, exc

from tcs_events.database import mysql
from tcs_events.database.mysql_tables import storing_problem
from tcs_events.database.numbering import numberings
from tcs_events.database.privileges import with_exact_grants
from tcs_events.database.problems import Problem
from tcs_events.database.schemas import full_name
from tcs_events.database.troubles import problem_of
from tcs_events.stores.columns import unique_id
from tcs_events.stores.generic import explain_insert


def insert_problems(connection: Connection, tables: Iterable[Table]) -> list[Problem]:
    """Return what keeps rows out of these tables, an empty list if nothing does.

    Nothing is written. The database plans the statements that store rows, and tells how far the
    sequences of the ids have come.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    tables = list(tables)
    problems = []
    for table in tables:
        try:
            with connection.begin_nested():
                explain_insert(connection, table)
        except exc.DBAPIError as error:
            problem = problem_of(error, full_name(connection, table), unique_id(table).name)
            if error.connection_invalidated or problem is None or problem.key == "database":
                raise
            problems.append(with_exact_grants(problem, connection, table, unique_id(table).name))
        if mysql.is_mysql(connection.dialect) and connection.dialect.driver in mysql.DRIVERS:
            cursor = connection.connection.cursor()
            problems += filter(None, [storing_problem(cursor, table, unique_id(table).name)])
    if problems:  # the sequences may be out of reach, too
        return list(dict.fromkeys(problems))
    problems += filter(None, (numbering.problem() for numbering in numberings(connection, tables)))
    return list(dict.fromkeys(problems))
