"""The drivers of PostgreSQL, and databases by each of them, with and without a pooler."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from tests.support import need_module

POSTGRES_DRIVERS = ("psycopg", "psycopg2", "pg8000")
POOLED_DRIVERS = tuple(f"{driver} pooled" for driver in POSTGRES_DRIVERS)
"""The same, behind a PgBouncer in transaction mode."""


def with_driver(url: str, driver: str) -> str:
    """Return the URL of a PostgreSQL database for another driver."""
    return make_url(url).set(drivername=f"postgresql+{driver}").render_as_string(False)


def at_port(url: str, port: int) -> str:
    """Return the URL of the same database at another port of this machine."""
    return make_url(url).set(host="127.0.0.1", port=port).render_as_string(False)


def database_by(request: pytest.FixtureRequest, name: str) -> str:
    """Return the URL of an empty database: `sqlite`, `mariadb`, or by a driver of PostgreSQL.

    A fixture of a file may have all of them as its params, where only that file needs each.
    """
    driver, _, pooled = name.partition(" ")
    if driver == "sqlite":
        sqlite_url: str = request.getfixturevalue("sqlite_url")
        return sqlite_url
    if driver == "mariadb":
        mariadb_url: str = request.getfixturevalue("mariadb_url")
        return mariadb_url
    need_module(driver)
    url = with_driver(request.getfixturevalue("postgres_url"), driver)
    return at_port(url, request.getfixturevalue("pgbouncer_port")) if pooled else url
