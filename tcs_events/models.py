"""`UserEvent`, and how its table gets into the metadata of a host.

The class belongs to a `SQLAlchemy` object of our own, which is never initialised on an app:
Flask-SQLAlchemy refuses a second one on the host's app. A class made for each app could not be
imported before there is an app. So the *table* is copied into the host's metadata, where the host's
`create_all` and Flask-Migrate see it. Queries on the class use the host's engine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.query import Query
from sqlalchemy import Connection
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from tcs_events.database import mysql, mysql_tables
from tcs_events.errors import ConfigError
from tcs_events.event import (
    EMAIL_MAX_LENGTH,
    REASON_MAX_LENGTH,
    SESSION_ID_MAX_LENGTH,
    USER_ID_MAX_LENGTH,
    new_event_id,
)
from tcs_events.settings import BOTS_MARK, EVENT_TYPE_MAX_LENGTH, Settings

db = SQLAlchemy()
"""For a host without a `SQLAlchemy` object: call `db.init_app(app)` and use it as your own."""


def _date_time() -> sa.DateTime:
    """Return the type of our times. On MariaDB and MySQL, a plain DATETIME has no microseconds."""
    return sa.DateTime(timezone=True).with_variant(DATETIME(fsp=6), *mysql.NAMES)


def uuid_type() -> sa.Uuid[UUID]:
    """Return the type of our ids.

    On MariaDB, some versions of SQLAlchemy make a column of the server's own type for them, and
    others a CHAR. Values of this type are right for both.
    """
    return sa.Uuid().with_variant(sa.Uuid(native_uuid=False), *mysql.NAMES)


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware datetime, in UTC on the way in and out. SQLite and MariaDB store no time zone."""

    impl = _date_time()
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime; give it a time zone, such as datetime.UTC")
        at = value.astimezone(UTC)
        # MariaDB refuses a time with an offset, and MySQL converts it to the zone of the session.
        return at.replace(tzinfo=None) if mysql.is_mysql(dialect) else at

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactWhole(sa.TypeDecorator[int]):
    """A whole number of up to 63 digits. It is stored as text: SQLite has no such numbers."""

    impl = sa.String(64)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value)


class _HostInfo(dict[Any, Any]):
    """`MetaData.info` whose `bind_key` is that of the current app.

    Flask-SQLAlchemy's session finds the engine of a table by this key, and one class serves apps
    with different binds. So this is also the moment at which the engine has to know the schema.
    """

    def __getitem__(self, key: Any) -> Any:
        if key == "bind_key" and current_app:
            registration = current_app.extensions.get("tcs_events")
            if registration is None:
                return None
            registration.place_tables()
            return registration.settings.bind_key
        return super().__getitem__(key)


class _HostQuery:
    """`UserEvent.query` on the session of the current app."""

    def __get__(self, _: object, cls: Any) -> Query:
        query: Query = cls.query_class(cls, session=current_app.extensions["sqlalchemy"].session())
        return query


_own = SQLAlchemy()
own_metadata = _own.metadata
"""All our tables, before they are copied into the metadata of a host."""
own_metadata.info = _HostInfo(own_metadata.info)


def _utc_now() -> datetime:
    return datetime.now(UTC)


# SQLite numbers rows by itself only in a column declared INTEGER.
row_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class UserEvent(_own.Model):  # type: ignore[name-defined,misc]
    """An event: something a visitor did.

    `created_at` is when it happened, and `received_at` when it was stored. Both are aware datetimes
    in UTC.
    """

    __tablename__ = "user_events"
    __table_args__ = (
        sa.Index("ix_user_events_event_type_created_at", "event_type", "created_at"),
        # Most events have no address, and to index that costs time and space all the same.
        sa.Index(
            "ix_user_events_email",
            "email",
            postgresql_where=sa.text("email IS NOT NULL"),
            sqlite_where=sa.text("email IS NOT NULL"),
        ),
    )
    query: ClassVar[Query] = _HostQuery()  # type: ignore[assignment]

    id: Mapped[int] = mapped_column(row_number, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(uuid_type(), unique=True, default=new_event_id)
    session_id: Mapped[str] = mapped_column(sa.String(SESSION_ID_MAX_LENGTH), index=True)
    event_type: Mapped[str] = mapped_column(sa.String(EVENT_TYPE_MAX_LENGTH))
    payload: Mapped[dict[str, Any]] = mapped_column(
        sa.JSON().with_variant(JSONB(), "postgresql"), default=dict
    )
    email: Mapped[str | None] = mapped_column(sa.String(EMAIL_MAX_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_utc_now)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_utc_now)


class UserEventIdentity(_own.Model):  # type: ignore[name-defined,misc]
    """A session and the person it belongs to, as a browser said with `identify`.

    A session may have several persons, one after the other. Join events by `session_id` to see what
    a person did, before and after they were known.
    """

    __tablename__ = "user_event_identities"
    query: ClassVar[Query] = _HostQuery()  # type: ignore[assignment]

    id: Mapped[int] = mapped_column(row_number, primary_key=True)
    identity_id: Mapped[UUID] = mapped_column(uuid_type(), unique=True)
    session_id: Mapped[str] = mapped_column(sa.String(SESSION_ID_MAX_LENGTH), index=True)
    email: Mapped[str] = mapped_column(sa.String(EMAIL_MAX_LENGTH), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_utc_now)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_utc_now)


class UserEventUser(_own.Model):  # type: ignore[name-defined,misc]
    """A session and the logged-in user it belongs to, as your own Python said.

    The table is made only with `TCS_EVENTS_IDENTIFY_USER`. A session has one user: the first link
    stands. `email` is the user's address if it was given together with the `user_id`, in a row of
    its own. Then both name the same person. No browser can write here.
    """

    __tablename__ = "user_event_users"
    query: ClassVar[Query] = _HostQuery()  # type: ignore[assignment]

    id: Mapped[int] = mapped_column(row_number, primary_key=True)
    link_id: Mapped[UUID] = mapped_column(uuid_type(), unique=True)
    session_id: Mapped[str] = mapped_column(sa.String(SESSION_ID_MAX_LENGTH), index=True)
    user_id: Mapped[str] = mapped_column(sa.String(USER_ID_MAX_LENGTH), index=True)
    email: Mapped[str | None] = mapped_column(sa.String(EMAIL_MAX_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_utc_now)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_utc_now)


class UserEventBotSession(_own.Model):  # type: ignore[name-defined,misc]
    """A session that a crawler has used, with `TCS_EVENTS_BOTS = "mark"`. Reports leave it out.

    The table is made only with this setting.
    """

    __tablename__ = "user_event_bot_sessions"
    query: ClassVar[Query] = _HostQuery()  # type: ignore[assignment]

    id: Mapped[int] = mapped_column(row_number, primary_key=True)
    session_id: Mapped[str] = mapped_column(sa.String(SESSION_ID_MAX_LENGTH), unique=True)
    marked_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=_utc_now)


class UserEventRejection(_own.Model):  # type: ignore[name-defined,misc]
    """An event that was answered 422, kept with `TCS_EVENTS_KEEP_REJECTED` for `replay`.

    The table is made only with this setting.

    `event_type`, `session_id` and `email` are as they were sent if they were texts, cut to the
    length of the column, else None.
    """

    __tablename__ = "user_event_rejections"
    query: ClassVar[Query] = _HostQuery()  # type: ignore[assignment]

    id: Mapped[int] = mapped_column(row_number, primary_key=True)
    rejection_id: Mapped[UUID] = mapped_column(uuid_type(), unique=True)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())
    event_type: Mapped[str | None] = mapped_column(sa.String(EVENT_TYPE_MAX_LENGTH))
    session_id: Mapped[str | None] = mapped_column(sa.String(SESSION_ID_MAX_LENGTH))
    email: Mapped[str | None] = mapped_column(sa.String(EMAIL_MAX_LENGTH))
    reason: Mapped[str] = mapped_column(sa.String(REASON_MAX_LENGTH))
    errors: Mapped[dict[str, Any]] = mapped_column(sa.JSON().with_variant(JSONB(), "postgresql"))
    size_bytes: Mapped[int | None] = mapped_column(sa.Integer())
    sample: Mapped[str | None] = mapped_column(sa.Text())


Tables = dict[str, sa.Table]
"""Tables by their names."""

EVENTS_TABLE = UserEvent.__tablename__
IDENTITIES_TABLE = UserEventIdentity.__tablename__
BOT_SESSIONS_TABLE = UserEventBotSession.__tablename__
REJECTIONS_TABLE = UserEventRejection.__tablename__
USERS_TABLE = UserEventUser.__tablename__
WRITTEN_TABLES = (EVENTS_TABLE, IDENTITIES_TABLE)
"""The tables that a visitor's request writes into."""
OPTIONAL_TABLES: dict[str, Callable[[Settings], bool]] = {
    BOT_SESSIONS_TABLE: lambda settings: settings.bots == BOTS_MARK,
    REJECTIONS_TABLE: lambda settings: settings.keep_rejected > 0,
    USERS_TABLE: lambda settings: settings.identify_user is not None,
}
"""The tables of features that may be off, and whether the settings turn the feature on.

Only the feature itself needs its table. Everything else works without it.
"""
_COPIES_KEY = "tcs_events_copies"  # in the info of the metadata: Alembic writes out a table's info


def _bare_jsonb() -> JSONB:
    """Return a JSONB that Alembic writes as `postgresql.JSONB()`.

    Run on SQLite, autogenerate writes out the `astext_type` as a bare `Text()`, a name that its
    migration does not import.
    """
    jsonb = JSONB()
    jsonb.astext_type = None  # type: ignore[assignment]
    return jsonb


def _migration_type(column_type: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that a migration can write down without importing this package."""
    if isinstance(column_type, UtcDateTime):
        return _date_time()
    if isinstance(column_type, ExactWhole):
        return sa.String(64)
    if isinstance(column_type, sa.Uuid):
        # What SQLAlchemy makes of it, so that no migration finds a difference. See `uuid_type`.
        return sa.Uuid()
    if isinstance(column_type, sa.JSON):
        return sa.JSON().with_variant(_bare_jsonb(), "postgresql")
    return column_type


@sa.event.listens_for(sa.Table, "before_create")
def _set_table_options(table: sa.Table, _: Connection | None, **options: Any) -> None:
    """Choose what only the server can tell: its name for a collation by bytes.

    A migration that was written down on SQLite or long ago makes its own `Table`, and calls this.
    """
    dialect = options["_ddl_runner"].dialect
    if mysql.is_mysql(dialect) and _is_ours(table):
        mysql_tables.set_table_options(table, dialect)


@sa.event.listens_for(sa.Table, "after_create")
def _forget_table_options(table: sa.Table, _: Connection | None, **options: Any) -> None:
    dialect = options["_ddl_runner"].dialect
    if mysql.is_mysql(dialect) and _is_ours(table):
        mysql_tables.forget_table_options(table, dialect)


def _is_ours(table: sa.Table) -> bool:
    """Return whether a table is one of ours, and not one of the host with the same name."""
    ours = own_metadata.tables.get(table.name)
    return ours is not None and set(ours.columns.keys()) <= set(table.columns.keys())


def join_metadata(metadata: sa.MetaData, settings: Settings, schema: str | None) -> Tables:
    """Return the copies in `metadata` of the tables that an app with these settings needs.

    They are made if they do not exist yet. If apps with different settings share the metadata, it
    has the tables of all of them.

    Args:
        metadata: the host's.
        settings: say which features need a table.
        schema: where the tables are to be. None is the default schema of the database.

    Raises:
        ConfigError: the host has a table of its own with one of these names.
    """
    copies: Tables = metadata.info.setdefault(_COPIES_KEY, {})
    needed = [
        name
        for name in own_metadata.tables
        if name not in OPTIONAL_TABLES or OPTIONAL_TABLES[name](settings)
    ]
    # The first app of the metadata must not use the other names either: `forget` deletes a person's
    # rows wherever the database has one of our tables. By the time a later app joins, the host may
    # have reflected a table that a feature has left behind.
    for name in needed if copies else own_metadata.tables:
        existing = metadata.tables.get(_key(name, schema))
        if existing is not None and existing is not copies.get(_key(name, schema)):
            raise ConfigError(
                f"This app has a table {name} of its own, where tcs_events keeps what is its."
                " Rename it, or give the events a database of their own with TCS_EVENTS_BIND_KEY."
            )
    for name in needed:
        if _key(name, schema) not in copies:
            copies[_key(name, schema)] = _copy(own_metadata.tables[name], metadata, schema)
    return {name: copies[_key(name, schema)] for name in needed}


def _key(name: str, schema: str | None) -> str:
    return name if schema is None else f"{schema}.{name}"


def _copy(table: sa.Table, metadata: sa.MetaData, schema: str | None) -> sa.Table:
    # Without a schema of its own, a table would take the default one of the host's metadata.
    host_schema, metadata.schema = metadata.schema, None
    try:
        copy: sa.Table = table.to_metadata(metadata, schema=schema)  # type: ignore[arg-type]
    finally:
        metadata.schema = host_schema
    for column in copy.columns:
        column.type = _migration_type(column.type)
    return copy
