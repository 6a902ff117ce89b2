"""What a command is: it runs in an app context, and words every trouble in one line."""

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
from tcs_events.database.connection import within
from tcs_events.errors import StoreUnavailable, TableMissing, TcsEventsError
from tcs_events.host import registration_of

ANSWER_SECONDS = 5.0
"""How long the database may take to say which tables it has."""

Function = Callable[..., Any]


def command(
    name: str, *, needs_tables: bool = True, only_logs: bool = False
) -> Callable[[Function], click.Command]:
    """Make a command of a function whose options are decorated already.

    It ends with 2 where it was asked wrongly, and with 1 where the database does not answer, or
    lacks a table: then the function is not called. `needs_tables=False` leaves that to it.

    On stdout there is only what the command prints, unless it `only_logs`.
    """

    def decorate(function: Function) -> click.Command:
        @wraps(function)
        def run(*args: object, **values: object) -> None:
            # A context of our own: what it tears down, a session for one, may log as well.
            with nullcontext() if only_logs else only_data_on_stdout(), current_app.app_context():
                try:
                    if needs_tables:
                        check_tables()
                    function(*args, **values)
                except (TcsEventsError, sa.exc.SQLAlchemyError) as error:
                    raise click.ClickException(explain(error)) from None

        return click.command(name)(with_appcontext(run))

    return decorate


def check_tables() -> None:
    """See that the database of the current app answers and has our tables.

    Raises:
        ConfigError: the app has no such database.
        StoreUnavailable: it does not answer, or lacks a table (`TableMissing`).
    """
    registration = registration_of(current_app)
    engine = registration.store.engine
    try:
        there = within(ANSWER_SECONDS, lambda: set(sa.inspect(engine).get_table_names()))
    except sa.exc.SQLAlchemyError as error:
        raise unavailable(error) from None
    for table in registration.tables:
        if table not in there:
            raise TableMissing(table)


def unavailable(error: sa.exc.SQLAlchemyError) -> StoreUnavailable:
    """Return our error for one of the database's; it says the class only, which quotes nothing."""
    return StoreUnavailable(type(getattr(error, "orig", None) or error).__name__)


def explain(error: TcsEventsError | sa.exc.SQLAlchemyError) -> str:
    """Return one line: what is wrong, and what to do about it. It quotes no event."""
    if isinstance(error, sa.exc.SQLAlchemyError):
        return (
            f"The database refused ({unavailable(error).reason});"
            " `flask tcs-events doctor` says what it lacks."
        )
    if isinstance(error, StoreUnavailable) and not isinstance(error, TableMissing):
        return f"The database does not answer ({error.reason}); {error.remedy}."
    return str(error)
