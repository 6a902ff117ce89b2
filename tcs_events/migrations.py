"""Makes the SQL views of event types in a migration of Alembic or Flask-Migrate.

from alembic import op
from tcs_events.migrations import create_views, drop_views

from shop.tracking import EVENT_TYPES

def upgrade():
create_views(op, EVENT_TYPES)

def downgrade():
drop_views(op)
"""

from __future__ import annotations

from typing import Any

from tcs_events.database.schemas import place_tables
from tcs_events.errors import ConfigError
from tcs_events.event_types.event_type import declared
from tcs_events.event_types.marketplace import DEFAULT_EVENT_TYPES
from tcs_events.sql_views import views

__all__ = ["create_views", "drop_views"]


def create_views(op: Any, event_types: object, schema: str | None = None) -> None:
    """Make a view for each event type, such as `events_booking_done`, or replace it.

    Offline, with `--sql`, the views are replaced without a look at who made them.

    Args:
        op: `alembic.op`.
        event_types: what `TCS_EVENTS_EVENT_TYPES` is: event types, names, or a dict of schemas.
        schema: the schema of the table of events. None is the default one of the database.

    Raises:
        ConfigError: `event_types` is wrong.
        NameTaken: there is a table or a view of this name that tcs_events did not make.
    """
    try:
        types = declared(event_types, {each.name: each for each in DEFAULT_EVENT_TYPES})
    except ValueError as error:
        raise ConfigError(f"create_views: the event types {error}.") from None
    made = views.views_of(types)
    context = op.get_context()
    if context.as_sql:
        for statement in views.statements(context.dialect, made, schema):
            op.execute(views.executable(statement))
        return
    connection = op.get_bind()
    place_tables(connection.engine, schema)
    views.create_views(connection, made)


def drop_views(op: Any, schema: str | None = None) -> None:
    """Drop all views that `create_views` or `flask tcs-events views` made.

    Args:
        op: `alembic.op`.
        schema: the schema of the table of events. None is the default one of the database.

    Raises:
        ConfigError: the migration is offline. Only the database knows which views there are.
    """
    if op.get_context().as_sql:
        raise ConfigError("drop_views needs a database; it cannot be used with --sql.")
    connection = op.get_bind()
    place_tables(connection.engine, schema)
    views.drop_views(connection)
