"""A database driver whose statements fail one by one, by order."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg
import pytest


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


def postgres_options(failing: Failing, driver: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the engine options of a PostgreSQL whose statements fail by order."""
    return {"psycopg": _psycopg, "psycopg2": _psycopg2, "pg8000": _pg8000}[driver](failing, patch)


def _psycopg(failing: Failing, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    def failing_cursor(base: Any) -> Any:
        class Cursor(base):  # type: ignore[misc]
            def execute(self, *args: Any, **kwargs: Any) -> Any:
                error = psycopg.OperationalError
                return failing.around(super().execute, error, *args, **kwargs)

            def copy(self, *args: Any, **kwargs: Any) -> Any:
                return failing.around(super().copy, psycopg.OperationalError, *args, **kwargs)

        return Cursor

    patch.setattr(psycopg, "ClientCursor", failing_cursor(psycopg.ClientCursor))
    return {"connect_args": {"cursor_factory": failing_cursor(psycopg.Cursor)}}


def _psycopg2(failing: Failing, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    import psycopg2.extensions

    error = psycopg2.OperationalError

    class Cursor(psycopg2.extensions.cursor):  # type: ignore[misc]
        def execute(self, *args: Any) -> Any:
            return failing.around(super().execute, error, *args)

        def copy_expert(self, *args: Any) -> Any:
            return failing.around(super().copy_expert, error, *args)

    return {"connect_args": {"cursor_factory": Cursor}}


def _pg8000(failing: Failing, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    import pg8000

    execute = pg8000.Cursor.execute

    def failing_execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        error = pg8000.OperationalError
        return failing.around(execute, error, self, *args, **kwargs)

    patch.setattr(pg8000.Cursor, "execute", failing_execute)
    return {}


def mariadb_options(failing: Failing) -> dict[str, Any]:
    """Return the engine options of a MariaDB whose statements fail by order."""
    import pymysql
    import pymysql.cursors

    class Cursor(pymysql.cursors.Cursor):
        def execute(self, *args: Any) -> Any:
            return failing.around(super().execute, pymysql.err.OperationalError, *args)

    return {"connect_args": {"cursorclass": Cursor}}
