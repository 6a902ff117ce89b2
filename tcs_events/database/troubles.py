"""Finds the problem behind a database error, for the log, `health` and the doctor.

The text of an error is never quoted, because it may contain the event. Only the names of tables,
columns and constraints are taken from it.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import exc

from tcs_events.database import mysql
from tcs_events.database.problems import (
    BY_MYSQL_CODE,
    BY_SQLITE_CODE,
    BY_SQLSTATE,
    BY_TEXT,
    CONSTRAINT,
    DISK,
    FULL,
    IDS_USED_UP,
    NO_PARTITION,
    NULL,
    NULL_ID,
    ON_MYSQL,
    POOL,
    UNIQUE,
    Problem,
    filled_in,
)
from tcs_events.errors import StoreUnavailable, TcsEventsError

_FAILED = re.compile(r"failed: ([\w.]+(?:, [\w.]+)*)$")
_NAMES_IN_MYSQL = re.compile(
    # MySQL puts the table's name before the index's. What a trigger says comes first, so look last.
    r"for key '(?:[\w$]+\.)?(?P<key>[\w$]+)'$"
    r"|CONSTRAINT `(?:[\w$]+`\.`)*(?P<constraint>[\w$.]+)`"
    r"|constraint '(?P<check>[\w$]+)'"
    r"|(?:Column|Field|column) '(?P<column>[\w$]+)'"
)
_MYSQL_ABOUT_ONE_ROW = (
    *(1048, 1062, 1118, 1153, 1216, 1264, 1265, 1292, 1364, 1366, 1406, 1411, 1452, 1526, 1644),
    *(3819, 4025),
)
DEADLOCKS = ("40P01",)
MYSQL_DEADLOCKS = (1020, 1213)


def driver_error(error: BaseException) -> Any:
    """Return the driver's error that SQLAlchemy has wrapped, or the error itself."""
    return getattr(error, "orig", None) or error


def class_of(error: BaseException) -> str:
    """Return the name of the driver's error class. It quotes no event, unlike the error's text."""
    return type(driver_error(error)).__name__


def sqlstate_of(error: BaseException) -> str:
    """Return PostgreSQL's SQLSTATE, "" if the error has none."""
    driver = driver_error(error)
    # In this order: psycopg 3, psycopg2, pg8000.
    return (
        getattr(driver, "sqlstate", None)
        or getattr(driver, "pgcode", None)
        or _fields_of_pg8000(driver).get("C", "")
    )


def _fields_of_pg8000(error: Any) -> dict[str, str]:
    """Return the fields of the server's answer, which pg8000 has as the error's only argument.

    Their letters: https://www.postgresql.org/docs/current/protocol-error-fields.html
    """
    first = error.args[0] if getattr(error, "args", None) else None
    return first if isinstance(first, dict) else {}


def sqlite_code_of(error: BaseException) -> int:
    """Return SQLite's extended result code, 0 if the error has none."""
    return getattr(driver_error(error), "sqlite_errorcode", None) or 0


def mysql_code_of(error: BaseException) -> int:
    """Return the error number of MariaDB, MySQL or their driver, 0 if the error has none."""
    return mysql.code_of(driver_error(error))


def is_deadlock(error: BaseException) -> bool:
    """Return whether the database has ended our transaction so that another one could go on.

    Two groups with the same ids in a different order can wait for each other. The code is from
    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    return sqlstate_of(error) in DEADLOCKS or mysql_code_of(error) in MYSQL_DEADLOCKS


def problem_of(error: BaseException, table: str = "the table", id_: str = "id") -> Problem | None:
    """Return the problem behind a database error, None if it is not known.

    Args:
        error: from SQLAlchemy or from the driver.
        table: the name of the table that was written to.
        id_: the name of its unique column.
    """
    problem = _known_problem(error)
    if problem is None:
        return None
    column, constraint = _names_in(error)
    if problem is NULL and column == "id":
        problem = NULL_ID
    if mysql_code_of(error):
        if problem is UNIQUE and constraint == "PRIMARY":
            problem = IDS_USED_UP  # the largest number is given out again and again
        if problem is DISK and "28" in str(driver_error(error)):  # ENOSPC
            problem = FULL
        problem = ON_MYSQL.get(problem, problem)
    # PostgreSQL reports a missing partition as a failed CHECK without a name.
    if problem is CONSTRAINT and sqlstate_of(error) == "23514" and not constraint:
        problem = NO_PARTITION
    return filled_in(
        problem,
        table=table,
        id=id_,
        column=column or "of yours",
        constraint=constraint or "of yours",
        sequence=f"{table}_id_seq",
    )


def _names_in(error: BaseException) -> tuple[str, str]:
    """Return the names of the column and of the constraint that the error is about, or ""."""
    original = driver_error(error)
    if mysql_code_of(error):
        matches = list(_NAMES_IN_MYSQL.finditer(str(original.args[-1])))
        if not matches:
            return "", ""
        found = matches[-1]
        return found["column"] or "", found["key"] or found["constraint"] or found["check"] or ""
    diagnostics = getattr(original, "diag", None)
    match = _FAILED.search(str(original))
    failed_name = match[1] if match else ""
    fields = _fields_of_pg8000(original)
    column = (
        getattr(diagnostics, "column_name", None)
        or fields.get("c")
        or failed_name.rpartition(".")[2]
    )
    return column, (getattr(diagnostics, "constraint_name", None) or fields.get("n") or failed_name)


def _known_problem(error: BaseException) -> Problem | None:
    if isinstance(error, exc.TimeoutError):
        return POOL
    if isinstance(error, TcsEventsError):
        return None
    code = sqlite_code_of(error)
    if problem := BY_SQLITE_CODE.get(code) or BY_SQLITE_CODE.get(code & 0xFF):
        return problem
    if problem := BY_MYSQL_CODE.get(mysql_code_of(error)):
        return problem
    sqlstate = sqlstate_of(error)
    for length in (5, 3, 2):
        if sqlstate and (problem := BY_SQLSTATE.get(sqlstate[:length])):
            return problem
    text = str(driver_error(error))
    return next((problem for pattern, problem in BY_TEXT if pattern.search(text)), None)


def is_final(error: Exception) -> bool:
    """Return whether the database can never store the value.

    Examples are a character that the database's encoding does not have, and a value that is too
    large for SQLite. All other errors can be repaired, such as a column that is too short, so the
    sender keeps the event and retries.
    """
    if isinstance(driver_error(error), UnicodeError | OverflowError):
        return True
    too_big = 18
    return sqlstate_of(error) in ("22021", "22P05") or sqlite_code_of(error) & 0xFF == too_big


def is_about_one_row(error: Exception) -> bool:
    """Return whether the error is about one row, so that other rows of its group may be stored."""
    constraint, mismatch = 19, 20
    return (
        is_final(error)
        or sqlstate_of(error)[:2] in ("22", "23", "44", "54", "P0")
        or sqlite_code_of(error) & 0xFF in (constraint, mismatch)
        or mysql_code_of(error) in _MYSQL_ABOUT_ONE_ROW
    )


def unavailable(error: Exception, table: str, id_: str) -> StoreUnavailable:
    """Return a `StoreUnavailable` for a database error: its reason is the error's class name."""
    problem = problem_of(error, table, id_)
    return StoreUnavailable(class_of(error), problem.remedy if problem else "")
