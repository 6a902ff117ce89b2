"""The decorator of every command: it gives an app context, and reports errors in one line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

import click
import sqlalchemy as sa
from flask import current_app
from flask.cli import with_appcontext

from tcs_events.cli.stdout import only_data_on_stdout
from tcs_events.cli.visible import visible
from tcs_events.cli.worded import WordedCommand
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.schemas import missing_tables
from tcs_events.database.troubles import class_of
from tcs_events.errors import StoreUnavailable, TableMissing, TcsEventsError, UnknownEventType
from tcs_events.host import registration_of
from tcs_events.models import UserEvent

ANSWER_SECONDS = 5.0
"""The time limit for asking the database which tables it has."""

Function = Callable[..., Any]


def command(
    name: str, *, needs_tables: bool = True, only_logs: bool = False
) -> Callable[[Function], click.Command]:
    """Make a function with click options into a command of this name.

    The command exits with 2 for wrong arguments, and with 1 if the database does not answer or one
    of our tables is missing. Then the function is not called, unless `needs_tables` is False.

    Only the command itself prints on stdout; logs go to stderr. A command that `only_logs` leaves
    stdout to the logs.
    """

    def decorate(function: Function) -> click.Command:
        @wraps(function)
        def run(*args: object, **values: object) -> None:
            # The context is inside the redirection, because its teardown may log too: for one,
            # when it closes the host's session.
            with nullcontext() if only_logs else only_data_on_stdout(), current_app.app_context():
                try:
                    if needs_tables:
                        check_tables()
                    function(*args, **values)
                except UnknownEventType as error:  # a wrong argument
                    raise click.UsageError(visible(str(error))) from None
                except (TcsEventsError, sa.exc.SQLAlchemyError) as error:
                    raise click.ClickException(in_one_line(error)) from None

        return click.command(name, cls=WordedCommand)(with_appcontext(run))

    return decorate


def check_tables() -> None:
    """Check that the database of the current app answers and has the tables of events and reports.

    Raises:
        ConfigError: the app has no database for events.
        StoreUnavailable: the database does not answer. `TableMissing`: it lacks a table.
    """
    registration = registration_of(current_app)
    engine, needed = registration.database.engine, registration.needed_tables
    try:
        missing = run_with_timeout(ANSWER_SECONDS, lambda: missing_tables(engine, needed))
    except sa.exc.SQLAlchemyError as error:
        raise StoreUnavailable(class_of(error)) from None
    if missing:
        raise TableMissing(missing[0])


def check_columns() -> None:
    """Let the database of the current app say what columns of events it lacks.

    Raises:
        sqlalchemy.exc.DBAPIError: it lacks one.
    """
    with registration_of(current_app).database.engine.connect() as connection:
        connection.execute(sa.select(*UserEvent.__table__.columns).where(sa.false()))


def in_one_line(error: TcsEventsError | sa.exc.SQLAlchemyError) -> str:
    """Return a line that says what is wrong and what to do about it. It quotes no event."""
    if isinstance(error, sa.exc.SQLAlchemyError):
        return (
            f"The database refused ({class_of(error)});"
            " `flask tcs-events doctor` says what is missing."
        )
    if isinstance(error, StoreUnavailable) and not isinstance(error, TableMissing):
        return f"The database does not answer ({error.reason}); {error.remedy}."
    return str(error)
