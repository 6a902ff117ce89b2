"""Makes, replaces and drops the views. Only views that this package made are ever touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, exc

from tcs_events.database import mysql
from tcs_events.database.schemas import schema_of
from tcs_events.errors import TcsEventsError
from tcs_events.event_types.event_type import EventType
from tcs_events.models import UserEvent
from tcs_events.sql_views.columns import ENVELOPE, PREFIX, ViewColumn, columns_of, view_names
from tcs_events.sql_views.extraction import extraction, literal, quoted

MARK = "made by tcs_events"
"""Stands in the definition of each view, which every database can give back. Not all keep comments
of views."""


class NameTaken(TcsEventsError):
    """A table or a view of the host has the name of a view of ours."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a table or view {name} that tcs_events did not make; it is left as it is,"
            " and nothing is changed. Rename it, or give the events a schema of their own with"
            " TCS_EVENTS_SCHEMA."
        )


@dataclass(frozen=True, slots=True)
class View:
    """The view of an event type."""

    name: str
    event_type: str
    columns: list[ViewColumn]

    def select(self, dialect: Dialect, table: str) -> str:
        """Return its SELECT.

        Args:
            dialect: that of the database.
            table: the SQL of the table of events.
        """
        quote = partial(quoted, dialect)
        parts = [f"  {quote(name)}" for name in ENVELOPE]
        parts += [
            f"  {extraction(dialect, quote('payload'), each.key, each.kind)} AS {quote(each.name)}"
            for each in self.columns
        ]
        columns = ",\n".join([*parts, f"  {quote('payload')}"])
        condition = f"{quote('event_type')} = {literal(dialect, self.event_type)}"
        return f"SELECT\n{columns}\nFROM {table}\nWHERE {condition} AND '{MARK}' <> ''"


def views_of(event_types: Mapping[str, EventType]) -> list[View]:
    """Return the views of declared event types, in their order."""
    names = view_names(event_types)
    return [View(names[name], name, columns_of(each)) for name, each in event_types.items()]


def create_views(connection: Connection, views: Collection[View]) -> None:
    """Make the views, or replace those that this package made. The caller commits.

    Raises:
        NameTaken: the host has a table or a view of such a name. Nothing is changed.
        sqlalchemy.exc.DBAPIError: the database refused.
    """
    ours, others = _found(connection)
    for view in views:
        if view.name in others:
            raise NameTaken(_full_name(connection, view.name))
    table = _full_name(connection, UserEvent.__tablename__)
    for view in views:
        name = _full_name(connection, view.name)
        select = view.select(connection.dialect, table)
        if view.name not in ours:
            _run(connection, f"CREATE VIEW {name} AS\n{select}")
        elif not _replaced(connection, name, select):
            _run(connection, f"DROP VIEW {name}")
            _run(connection, f"CREATE VIEW {name} AS\n{select}")


def drop_views(connection: Connection) -> list[str]:
    """Drop all views that this package made, and return their names. The caller commits."""
    ours, _ = _found(connection)
    for name in sorted(ours):
        _run(connection, f"DROP VIEW {_full_name(connection, name)}")
    return sorted(ours)


def statements(dialect: Dialect, views: Collection[View], schema: str | None) -> list[str]:
    """Return the SQL that makes the views, or replaces them, without a look at what is there.

    Args:
        dialect: that of the database.
        views: what to make.
        schema: where the table of events is, and the views are to be. None is the default one.
    """
    table = _named(dialect, UserEvent.__tablename__, schema)
    found = []
    for view in views:
        name = _named(dialect, view.name, schema)
        select = view.select(dialect, table)
        if dialect.name == "sqlite":
            found += [f"DROP VIEW IF EXISTS {name}", f"CREATE VIEW {name} AS\n{select}"]
        else:
            found.append(f"CREATE OR REPLACE VIEW {name} AS\n{select}")
    return found


def executable(statement: str) -> sa.DDL:
    """Return a statement that can be executed as it is."""
    # `DDL` fills in "%(name)s", so that each "%" is written twice. It doubles those again for the
    # drivers that need it, and takes no ":name" for a parameter.
    return sa.DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]


def _replaced(connection: Connection, name: str, select: str) -> bool:
    """Replace a view, so that rights on it stay. Return False if it has to be dropped instead.

    PostgreSQL does not replace a view if a column has changed.
    """
    if connection.dialect.name == "sqlite":
        return False
    statement = f"CREATE OR REPLACE VIEW {name} AS\n{select}"
    if mysql.is_mysql(connection.dialect):
        _run(connection, statement)
        return True
    try:
        with connection.begin_nested():
            _run(connection, statement)
    except exc.ProgrammingError:
        return False
    return True


def _found(connection: Connection) -> tuple[set[str], set[str]]:
    """Return the views that this package made, and all other tables and views."""
    inspector = sa.inspect(connection)
    schema = schema_of(connection, UserEvent.__table__)
    views = inspector.get_view_names(schema)
    ours = {
        name
        for name in views
        if name.startswith(PREFIX) and MARK in str(inspector.get_view_definition(name, schema))
    }
    others = {*views, *inspector.get_table_names(schema)} - ours
    if connection.dialect.name == "postgresql":
        others |= set(inspector.get_materialized_view_names(schema))
    return ours, others


def _full_name(connection: Connection, name: str) -> str:
    return _named(connection.dialect, name, schema_of(connection, UserEvent.__table__))


def _named(dialect: Dialect, name: str, schema: str | None) -> str:
    return dialect.identifier_preparer.format_table(sa.Table(name, sa.MetaData(), schema=schema))


def _run(connection: Connection, statement: str) -> None:
    connection.execute(executable(statement))
