"""The command that makes an SQL view for each declared event type."""

from __future__ import annotations

import click
from flask import current_app

from tcs_events.cli.command import check_columns, command
from tcs_events.cli.output import print_line
from tcs_events.database.schemas import schema_of
from tcs_events.host import registration_of
from tcs_events.models import UserEvent
from tcs_events.sql_views.views import create_views, drop_views, statements, views_of


@command("views")
@click.option("--drop", is_flag=True, help="Drop all views that this command made.")
@click.option("--sql", is_flag=True, help="Print the SQL, and change nothing.")
def views(drop: bool, sql: bool) -> None:
    """Make an SQL view for each declared event type, or replace it.

    The view events_booking_done has the events of the type booking_done, with a typed column for
    each property of the payload. Run this again after a change of the event types. A table or view
    of your own is never replaced.
    """
    if drop and sql:
        raise click.UsageError("--drop and --sql cannot be given together.")
    registration = registration_of(current_app)
    engine, made = registration.database.engine, views_of(registration.settings.event_types)
    if sql:
        schema = schema_of(engine, UserEvent.__table__)
        for statement in statements(engine.dialect, made, schema):
            print_line(f"{statement};")
        return
    check_columns()  # SQLite would make views that cannot be read
    with engine.begin() as connection:
        if drop:
            names = drop_views(connection)
            print_line(f"Dropped {len(names)} views.")
            return
        create_views(connection, made)
    for view in made:
        print_line(view.name)
