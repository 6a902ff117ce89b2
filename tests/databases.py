"""Databases that tests need hardly wait for: tables are made once per process, and then reused.

A test gets an empty database, and its host makes the tables, as in production. Only the way there
is short: a file of SQLite is a copy of one that `create_all` made, and a server's tables are
emptied and put back. CREATE DATABASE and `create_all` took most of the time of a test before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, MetaData, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from tcs_events.models import own_metadata
from tests.mariadb import lent_mariadb

TableNames = frozenset[str]

LOCK_SECONDS = 10

# Everything in a database that a test can alter, except what its rows change. A row of a system
# table as text holds every attribute of the thing, whatever version the server is.
_SCHEMA = """
SELECT md5(string_agg(item, ';' ORDER BY item)) FROM (
    SELECT concat_ws(',', 'class', oid, relname, relnamespace, relowner, relkind, relpersistence,
                     relhastriggers, relrowsecurity, relacl, reloptions) AS item
        FROM pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT concat_ws(',', 'schema', oid, nspowner, nspacl)
        FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'
    UNION ALL SELECT concat_ws(',', 'database', datacl, datallowconn, datconnlimit)
        FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'settings' || s::text FROM pg_db_role_setting s
        JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()
    UNION ALL SELECT 'column' || a::text FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
        WHERE c.oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'default' || d::text FROM pg_attrdef d WHERE oid >= 16384
    UNION ALL SELECT 'constraint' || c::text FROM pg_constraint c WHERE oid >= 16384
    UNION ALL SELECT 'index' || i::text FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
        WHERE c.oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'trigger' || t::text FROM pg_trigger t WHERE oid >= 16384
    UNION ALL SELECT 'function' || p::text FROM pg_proc p WHERE oid >= 16384
    UNION ALL SELECT 'policy' || p::text FROM pg_policy p
    UNION ALL SELECT 'rule' || r::text FROM pg_rewrite r WHERE oid >= 16384
    UNION ALL SELECT 'sequence' || s::text FROM pg_sequence s
    UNION ALL SELECT 'type' || t::text FROM pg_type t WHERE oid >= 16384 AND typrelid = 0
    UNION ALL SELECT 'extension' || e::text FROM pg_extension e
) AS items
"""

_OTHER_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

_TABLES_WITH_ROWS = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
"""

_SEQUENCES_IN_USE = """
SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""

# Whatever is in a schema depends on it.
_PUBLIC_IS_EMPTY = """
SELECT NOT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
                   AND refobjid = 'public'::regnamespace)
"""


class PostgresDatabase:
    """A database that tests use one after the other, each of which finds it empty.

    The tables of a test wait in a schema of their own for the next test that needs them. A test
    may do to the database what it likes: where anything but rows has changed, the database is
    dropped, and the next test gets a new one.
    """

    def __init__(self, server_url: str, name: str) -> None:
        self._server = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._name = name
        self._count = 0
        self._open: Engine | None = None
        self._schemas: dict[TableNames, str] = {}  # of tables that wait
        self._tables: TableNames | None = None  # the ones that are in use
        self._fingerprint: str | None = None

    def lend(self) -> str:
        """Return the URL of the database, with no table in it.

        It is cleaned now and not after the last test: by now its hosts have closed their stores,
        which may have written until then.
        """
        if self._open is not None:
            try:
                is_clean = self._clean(self._open)
            except DBAPIError:  # dropped, or closed to us
                is_clean = False
            if not is_clean:
                self.drop()
        if self._open is None:
            self._create()
        assert self._open is not None
        return self._open.url.render_as_string(hide_password=False)

    def is_at(self, url: str) -> bool:
        return self._open is not None and self._open.url.database == make_url(url).database

    def make_tables(self, names: TableNames, create_all: Callable[[], None]) -> None:
        """Make the tables: from the schema where they wait, or the first time by `create_all`."""
        assert self._open is not None
        with self._open.connect() as connection:
            if self._tables is not None or not connection.scalar(text(_PUBLIC_IS_EMPTY)):
                create_all()
                return
            if names not in self._schemas:
                is_as_lent = connection.scalar(text(_SCHEMA)) == self._fingerprint
                create_all()
                if is_as_lent:
                    self._schemas[names] = f"waiting_{len(self._schemas)}"
                    self._tables = names
                    _create_empty_schema(connection)
                    self._fingerprint = connection.scalar(text(_SCHEMA))
                return
            connection.execute(text("ALTER SCHEMA public RENAME TO empty"))
            connection.execute(text(f"ALTER SCHEMA {self._schemas[names]} RENAME TO public"))
            self._tables = names

    def drop(self) -> None:
        """Drop the database, with whatever is connected to it."""
        if self._open is None:
            return
        name, self._open = self._open.url.database, None
        with self._server.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    def _create(self) -> None:
        self._count += 1
        name = f"{self._name}_{self._count}"
        with self._server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        self._open = create_engine(
            self._server.url.set(database=name), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        self._schemas.clear()
        self._tables = None
        with self._open.connect() as connection:
            self._fingerprint = connection.scalar(text(_SCHEMA))

    def _clean(self, engine: Engine) -> bool:
        """Empty the database; return whether it is as it was when it was lent."""
        with engine.connect() as connection:
            connection.execute(text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
            connection.execute(text(_OTHER_CONNECTIONS))
            if connection.scalar(text(_SCHEMA)) != self._fingerprint:
                return False
            if self._tables is not None:
                _empty_tables(connection)
                waiting = self._schemas[self._tables]
                connection.execute(text(f"ALTER SCHEMA public RENAME TO {waiting}"))
                connection.execute(text("ALTER SCHEMA empty RENAME TO public"))
                self._tables = None
            return True


def _create_empty_schema(connection: Connection) -> None:
    """Create a schema like the `public` of a new database: same owner, same rights."""
    owner = connection.scalar(
        text("SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'public'")
    )
    connection.execute(text(f"CREATE SCHEMA empty AUTHORIZATION {owner}"))
    for right in ("USAGE", "CREATE"):
        if connection.scalar(text(f"SELECT has_schema_privilege('public', 'public', '{right}')")):
            connection.execute(text(f"GRANT {right} ON SCHEMA empty TO PUBLIC"))


def _empty_tables(connection: Connection) -> None:
    if tables := connection.scalars(text(_TABLES_WITH_ROWS)).all():
        names = ", ".join(f'public."{name}"' for name in tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    for sequence in connection.scalars(text(_SEQUENCES_IN_USE)):
        connection.execute(text(f'ALTER SEQUENCE public."{sequence}" RESTART'))


def execute_in(url: str, *statements: str) -> list[Any]:
    """Run statements on a connection of its own, and return the rows of the last one."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
        return list(result.all()) if result.returns_rows else []


_files: dict[TableNames, bytes] = {}
_postgres: PostgresDatabase | None = None


def shared_postgres(server_url: str) -> PostgresDatabase:
    """Return the database that the tests of this process share."""
    global _postgres
    if _postgres is None:
        _postgres = PostgresDatabase(server_url, f"tcs_events_test_{os.getpid()}")
    return _postgres


def forget_postgres() -> None:
    """Drop the database that the tests share."""
    global _postgres
    if _postgres is not None:
        _postgres.drop()
        _postgres = None


def make_tables(app: Flask, db: SQLAlchemy) -> None:
    """Do what `db.create_all()` does, faster where the tables are all ours and in one database."""
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    with app.app_context():
        if not _are_only_ours(app, db):
            db.create_all()
        elif url.startswith("sqlite:////") and "?" not in url:
            _copy_file(Path(url.removeprefix("sqlite:///")), db)
        elif _postgres is not None and _postgres.is_at(url):
            _postgres.make_tables(frozenset(db.metadata.tables), db.create_all)
        elif (mariadb := lent_mariadb(url)) is not None:
            mariadb.make_tables(frozenset(db.metadata.tables), db.create_all)
        else:
            db.create_all()


def make_every_table(app: Flask) -> None:
    """Make the tables of all features, as a database has them in which each was on once."""
    db = app.extensions["sqlalchemy"]
    for name, table in own_metadata.tables.items():
        if name not in db.metadata.tables:
            table.to_metadata(db.metadata)
    make_tables(app, db)


def _are_only_ours(app: Flask, db: SQLAlchemy) -> bool:
    metadata = db.metadata
    return (
        set(db.metadatas) == {None}
        and set(metadata.tables) <= set(own_metadata.tables)
        and metadata.schema is None
        and metadata.naming_convention == MetaData().naming_convention
        and not app.config.get("SQLALCHEMY_ENGINE_OPTIONS")
    )


def _copy_file(path: Path, db: SQLAlchemy) -> None:
    names = frozenset(db.metadata.tables)
    if path.exists() or not path.parent.is_dir():
        db.create_all()
    elif names in _files:
        path.write_bytes(_files[names])
    else:
        db.create_all()
        _files[names] = path.read_bytes()
