"""What an error of a database means, so that the log, `health` and the doctor can say it.

Nothing here quotes an error, whose text may hold the event: only names of tables, columns and
constraints are taken out of it.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import exc

from tcs_events.database.problems import (
    BY_SQLITE_CODE,
    BY_SQLSTATE,
    BY_TEXT,
    CONSTRAINT,
    NO_PARTITION,
    NULL,
    NULL_ID,
    POOL,
    Problem,
    filled_in,
)
from tcs_events.errors import StoreUnavailable, TcsEventsError

_FAILED = re.compile(r"failed: ([\w.]+(?:, [\w.]+)*)$")


def driver_error(error: BaseException) -> Any:
    """Return the error as the driver raised it."""
    return getattr(error, "orig", None) or error


def sqlstate_of(error: BaseException) -> str:
    """Return the SQLSTATE of PostgreSQL, "" where there is none."""
    return getattr(driver_error(error), "sqlstate", None) or ""


def sqlite_code_of(error: BaseException) -> int:
    """Return SQLite's extended code, 0 where there is none."""
    return getattr(driver_error(error), "sqlite_errorcode", None) or 0


def problem_of(error: BaseException, table: str = "the table", id_: str = "id") -> Problem | None:
    """Return what an error of the database means, None where that is not known."""
    found = _known(error)
    if found is None:
        return None
    diagnostics = getattr(driver_error(error), "diag", None)
    match = _FAILED.search(str(driver_error(error)))
    at = match[1] if match else ""
    names = {
        "table": table,
        "id": id_,
        "column": getattr(diagnostics, "column_name", None) or at.rpartition(".")[2] or "of yours",
        "constraint": getattr(diagnostics, "constraint_name", None) or at or "of yours",
        "sequence": f"{table}_id_seq",
    }
    if found is NULL and names["column"] == "id":
        found = NULL_ID
    if found is CONSTRAINT and sqlstate_of(error) == "23514" and names["constraint"] == "of yours":
        found = NO_PARTITION
    return filled_in(found, **names)


def _known(error: BaseException) -> Problem | None:
    if isinstance(error, exc.TimeoutError):
        return POOL
    if isinstance(error, TcsEventsError):
        return None
    code = sqlite_code_of(error)
    if found := BY_SQLITE_CODE.get(code) or BY_SQLITE_CODE.get(code & 0xFF):
        return found
    sqlstate = sqlstate_of(error)
    for length in (5, 3, 2):
        if sqlstate and (found := BY_SQLSTATE.get(sqlstate[:length])):
            return found
    text = str(driver_error(error))
    return next((found for pattern, found in BY_TEXT if pattern.search(text)), None)


def is_final(error: Exception) -> bool:
    """Tell a value that this database can never store: a character that its encoding has not.

    Anything else can be mended, a column that is too short for one. So the event is kept by its
    sender, and not refused for good.
    """
    if isinstance(driver_error(error), UnicodeError | OverflowError):
        return True
    too_big = 18
    return sqlstate_of(error) in ("22021", "22P05") or sqlite_code_of(error) & 0xFF == too_big


def is_about_one_row(error: Exception) -> bool:
    """Tell an error that another row of the same group might not meet."""
    constraint, mismatch = 19, 20
    return (
        is_final(error)
        or sqlstate_of(error)[:2] in ("22", "23", "44", "54", "P0")
        or sqlite_code_of(error) & 0xFF in (constraint, mismatch)
    )


def unavailable(error: Exception, table: str, id_: str) -> StoreUnavailable:
    """Return our error for one of the database's: its class, and what to do about it."""
    problem = problem_of(error, table, id_)
    return StoreUnavailable(type(driver_error(error)).__name__, problem.remedy if problem else "")
