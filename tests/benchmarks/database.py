"""A database of its own for every measurement, on the disk."""

from __future__ import annotations

import itertools
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy import create_engine, make_url, text

from tcs_events import UserEvent
from tests.support import new_database

POSTGRESQL = {"postgresql": "psycopg", "psycopg2": "psycopg2", "pg8000": "pg8000"}
MARIADB = {"mariadb": "pymysql", "mysqlclient": "mysqldb"}
DATABASES = ("sqlite", *POSTGRESQL, *MARIADB)
"""SQLite, and the servers by their drivers: the first of each is the one we recommend."""
USUAL = ("sqlite", "postgresql")
COMMITS = 200
_numbers = itertools.count(1)


@contextmanager
def empty_database(
    database: str, folder: Path, postgres_url: str | None, mariadb_url: str | None = None
) -> Iterator[str]:
    """Give the URL of a new database."""
    if database == "sqlite":
        yield f"sqlite:///{folder}/host.db"
        return
    name = f"benchmark_{next(_numbers)}"
    if database in POSTGRESQL:
        assert postgres_url is not None
        with new_database(postgres_url, name) as url:
            yield with_driver(url, "postgresql", POSTGRESQL[database])
        return
    assert mariadb_url is not None
    with new_database(mariadb_url, name) as url:
        yield with_driver(url, "mysql", MARIADB[database])


def with_driver(url: str, dialect: str, driver: str) -> str:
    """Return the URL for another driver of the same database."""
    changed = make_url(url).set(drivername=f"{dialect}+{driver}")
    return changed.render_as_string(hide_password=False)


def count_rows(url: str, table: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        count: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    engine.dispose()
    return count


def commit_ms(url: str) -> float:
    """Return the median time of committing one event by the bare driver, with nobody else there.

    On PostgreSQL a commit is as safe as the server makes it; SQLite is asked for the safest that it
    has with a write-ahead log.
    """
    engine = create_engine(url)
    UserEvent.metadata.create_all(engine, tables=[UserEvent.__table__])
    engine.dispose()
    columns = "(event_id, session_id, event_type, payload, created_at, received_at)"
    values = "'visitor-1', 'card_click', '{\"expert_id\": \"ada\"}', "
    if url.startswith("sqlite"):
        lite = sqlite3.connect(make_url(url).database or "", isolation_level=None)
        lite.execute("PRAGMA journal_mode=WAL")
        lite.execute("PRAGMA synchronous=FULL")
        now = "'2026-03-01 09:30:00.120000'"
        insert = f"INSERT INTO user_events {columns} VALUES (?, {values} {now}, {now})"
        median = _median_ms(lambda: lite.execute(insert, [uuid4().hex]))
        lite.close()
        return median
    if url.startswith("mysql"):
        now = "'2026-03-01 09:30:00.120000'"
        insert = f"INSERT INTO user_events {columns} VALUES (%s, {values} {now}, {now})"
        server = create_engine(with_driver(url, "mysql", "pymysql"), isolation_level="AUTOCOMMIT")
        with server.connect() as maria:
            median = _median_ms(lambda: maria.exec_driver_sql(insert, (uuid4().hex,)))
        server.dispose()
        return median
    plain_url = with_driver(url, "postgresql", "psycopg").replace("+psycopg", "")
    with psycopg.connect(plain_url, autocommit=True) as postgres:
        insert = f"INSERT INTO user_events {columns} VALUES (%s, {values} now(), now())"
        return _median_ms(lambda: postgres.execute(insert, [uuid4()]))


def _median_ms(commit: Callable[[], object]) -> float:
    times = []
    for _ in range(COMMITS):
        start = time.perf_counter()
        commit()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000
