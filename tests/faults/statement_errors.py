"""A database driver whose statements fail one by one, by order."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg


class Failing:
    """Which statement fails, counted from 1 over all cursors; 0 for none.

    `before`: the database never sees it. Else it has done what it was told, and the answer is lost.
    """

    def __init__(self) -> None:
        self.at = 0
        self.before = True
        self.seen = 0

    def arm(self, at: int, *, before: bool) -> None:
        self.at, self.before, self.seen = at, before, 0

    @property
    def happened(self) -> bool:
        return 0 < self.at <= self.seen

    def around(self, statement: Any, error: type[Exception], *args: Any, **kwargs: Any) -> Any:
        self.seen += 1
        is_it = self.seen == self.at
        if is_it and self.before:
            raise error("injected")
        result = statement(*args, **kwargs)
        if is_it:
            raise error("injected")
        return result


def sqlite_options(failing: Failing) -> dict[str, Any]:
    """Return the engine options of an SQLite whose statements fail by order."""

    class Cursor(sqlite3.Cursor):
        def execute(self, *args: Any) -> Any:
            return failing.around(super().execute, sqlite3.OperationalError, *args)

        def executemany(self, *args: Any) -> Any:
            return failing.around(super().executemany, sqlite3.OperationalError, *args)

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, *args: Any) -> Any:
            return self.cursor().execute(*args)

    return {"connect_args": {"factory": Connection, "timeout": 0.1}}


def postgres_options(failing: Failing) -> dict[str, Any]:
    """Return the engine options of a PostgreSQL whose statements fail by order."""

    class Cursor(psycopg.Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            error = psycopg.OperationalError
            return failing.around(super().execute, error, *args, **kwargs)

        def copy(self, *args: Any, **kwargs: Any) -> Any:
            return failing.around(super().copy, psycopg.OperationalError, *args, **kwargs)

    return {"connect_args": {"cursor_factory": Cursor}}
