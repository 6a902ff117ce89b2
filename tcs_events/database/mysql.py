"""What MariaDB and MySQL have in common, and where they differ from other databases.

SQLAlchemy names the dialect by the URL: "mysql" or "mariadb". A server of either kind may be behind
the name "mysql".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, exc

NAMES = ("mysql", "mariadb")
"""The names of SQLAlchemy's dialects for these servers."""
DRIVERS = ("pymysql", "mysqldb")
"""SQLAlchemy's names of the drivers that we know."""
CHARSET = "utf8mb4"
"""The character set that holds all of Unicode. MariaDB's `utf8` lacks emoji."""
UNKNOWN_COLUMN = 1054
_DRIVER_MODULES = ("pymysql", "MySQLdb")


def is_mysql(dialect: Dialect) -> bool:
    """Return whether the dialect is for MariaDB or MySQL."""
    return dialect.name in NAMES


def is_mariadb(dialect: Dialect) -> bool:
    """Return whether the server is MariaDB. For "mysql" it is known after the first connection."""
    return dialect.name == "mariadb" or bool(getattr(dialect, "is_mariadb", False))


def code_of(error: Any) -> int:
    """Return the server's or the driver's error number, 0 if a driver's error has none.

    https://mariadb.com/kb/en/mariadb-error-code-reference/
    """
    if type(error).__module__.partition(".")[0] not in _DRIVER_MODULES:
        return 0
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def fileno_of(driver: Any) -> int:
    """Return the descriptor of the socket of a connection of PyMySQL or mysqlclient.

    Raises:
        OSError: the connection is closed.
    """
    source = driver if hasattr(driver, "fileno") else driver._sock  # PyMySQL has the second one
    if source is None:
        raise OSError("the connection is closed")
    number: int = source.fileno()
    return number


@contextlib.contextmanager
def with_variables(connection: Connection, **values: object) -> Iterator[None]:
    """Set variables of the session for the block, and then give them their old values."""
    names = ", ".join(f"@@SESSION.{name}" for name in values)
    before = dict(zip(values, connection.exec_driver_sql(f"SELECT {names}").one(), strict=True))
    _set(connection, values)
    try:
        yield
    finally:
        with contextlib.suppress(exc.SQLAlchemyError):  # the connection may be lost
            _set(connection, before)


def _set(connection: Connection, values: dict[str, object]) -> None:
    pairs = ", ".join(f"SESSION {name} = {value}" for name, value in values.items())
    connection.exec_driver_sql(f"SET {pairs}")


def time_limit(dialect: Dialect, milliseconds: int) -> dict[str, object]:
    """Return the variables that end a statement after a time; on MySQL only a SELECT.

    Neither server has a limit below a millisecond. 0 would mean no limit.
    """
    if is_mariadb(dialect):
        return {"max_statement_time": f"{max(1, milliseconds) / 1000:.3f}"}
    return {"max_execution_time": max(1, milliseconds)}


LEVEL = "READ-COMMITTED"
"""The isolation level of our transactions. In the default level, a deletion also locks the gaps
between rows, into which events are inserted at the same time: both would end with deadlocks."""
SLOW_READER_SECONDS = 3600
"""How long the server waits for us to read on. By default it ends the connection after a minute,
for example while an export waits for the program that it is piped to."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a host's connection that our queries depend on."""

    autocommits: bool
    variables: dict[str, object]
    """Variables of the session that were changed, and their old values."""
    driver_charset: str
    """The character set that the driver itself assumes."""
    has_our_charset: bool


def set_up(driver: Any, dialect: Dialect) -> Settings:
    """Prepare a host's connection for our queries. Returns what `give_back` needs."""
    level = "tx_isolation" if is_mariadb(dialect) else "transaction_isolation"
    charset = ("character_set_client", "character_set_results", "collation_connection")
    names = ("autocommit", level, "net_write_timeout", *charset)
    cursor = driver.cursor()
    cursor.execute(f"SELECT {', '.join(f'@@{name}' for name in names)}")
    found = dict(zip(names, cursor.fetchone(), strict=True))
    changed: dict[str, object] = {}
    if found[level] != LEVEL:
        changed[level] = LEVEL
    if found["net_write_timeout"] < SLOW_READER_SECONDS:
        changed["net_write_timeout"] = SLOW_READER_SECONDS
    before = {name: found[name] for name in changed}
    driver_charset = _charset_of(driver)
    has_our_charset = {driver_charset, *(str(found[name]).split("_")[0] for name in charset)} == {
        CHARSET
    }
    if not has_our_charset:
        # In latin1 the server would replace most of Unicode by question marks.
        driver.set_character_set(CHARSET)
        before |= {name: found[name] for name in charset}
    if changed:
        cursor.execute(_assignments(changed))
    cursor.close()
    if found["autocommit"]:
        driver.autocommit(False)
    return Settings(bool(found["autocommit"]), before, driver_charset, has_our_charset)


def give_back(driver: Any, before: Settings) -> None:
    """Give a host's connection the settings that it had before `set_up`."""
    if not before.has_our_charset:
        driver.set_character_set(before.driver_charset)
    if before.variables:
        cursor = driver.cursor()
        cursor.execute(_assignments(before.variables))
        cursor.close()
    if before.autocommits:
        driver.autocommit(True)


def _assignments(values: dict[str, object]) -> str:
    """Return the SET for variables of the session. None of the values contains a quote."""
    quoted = {
        name: "NULL" if value is None else value if isinstance(value, int) else f"'{value}'"
        for name, value in values.items()
    }
    return f"SET {', '.join(f'SESSION {name} = {value}' for name, value in quoted.items())}"


def _charset_of(driver: Any) -> str:
    is_mysqlclient = hasattr(driver, "get_character_set_info")
    name: str = driver.character_set_name() if is_mysqlclient else driver.charset
    return name
