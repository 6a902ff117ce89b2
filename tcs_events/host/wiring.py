"""Wires the blueprint up with one app: what happens when, from registering to the first request."""

from __future__ import annotations

from flask import Blueprint, Flask, appcontext_pushed, current_app, has_app_context, request_started
from sqlalchemy import Connection, MetaData, event

from tcs_events.database.forks import ensure_own_state
from tcs_events.errors import TableMissing, TcsEventsError
from tcs_events.host.registration import EXTENSION_KEY, Registration, registration_of
from tcs_events.intake.answers import log_trouble
from tcs_events.intake.recent import RecentEvents
from tcs_events.models import (
    UserEvent,
    UserEventBotSession,
    UserEventIdentity,
    UserEventRejection,
    UserEventUser,
)
from tcs_events.settings import Settings
from tcs_events.watch.log import log

MODELS = (UserEvent, UserEventIdentity, UserEventUser, UserEventBotSession, UserEventRejection)


def register(app: Flask, blueprint: Blueprint, settings: Settings) -> Registration:
    """Give an app the extension's state, and connect it with what the host does later.

    Raises:
        ConfigError: the app has a table of its own with one of our names.
    """
    registration = app.extensions[EXTENSION_KEY] = Registration(blueprint, settings)
    app.shell_context_processor(lambda: {model.__name__: model for model in MODELS})
    request_started.connect(prepare, app)
    if not registration.join(app):
        appcontext_pushed.connect(_join_later, app)
    return registration


def _join_later(app: Flask) -> None:
    """Add our tables once the host has called `db.init_app`."""
    if registration_of(app).join(app):
        appcontext_pushed.disconnect(_join_later, app)


def prepare(app: Flask, **_: object) -> None:
    """Do once what needs a host that is set up completely.

    It runs at the first request, before the host's `before_request` functions. Requests that arrive
    meanwhile wait. Without the CSRF exemption they would be refused.
    """
    registration = registration_of(app)
    if registration.is_prepared:
        return
    ensure_own_state()
    with registration.preparing:
        if registration.is_prepared:
            return
        if (csrf := app.extensions.get("csrf")) is not None:
            # Flask-WTF protects actions that a cookie authorizes. No cookie authorizes ours. Where
            # a login names the person of a session, `tracking.login` checks who has sent it.
            csrf.exempt(registration.blueprint)
        if app.debug:
            registration.recent = RecentEvents(lambda: app.debug)
        with app.app_context():
            _log_tables(registration)
        registration.is_prepared = True


def _log_tables(registration: Registration) -> None:
    """Log whether the current app has all tables."""
    try:
        if missing := registration.missing_tables():
            raise TableMissing(missing[0])
    except TcsEventsError as error:
        log_trouble(error)
    else:
        log.info("tcs_events.tables_ready", tables=list(registration.tables))


@event.listens_for(MetaData, "before_create")
def _join_before_create_all(metadata: MetaData, connection: Connection, **_: object) -> None:
    """Create our tables in the one order of calls in which they would be missed.

    That order is: push an app context, register the blueprint, `db.init_app`, `db.create_all`. No
    context is pushed after `init_app`, and SQLAlchemy has already listed the tables to create.
    """
    if not has_app_context() or EXTENSION_KEY not in current_app.extensions:
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    registration = registration_of(app)
    if not registration.tables and registration.join(app):
        for table in registration.tables.values():
            if table.metadata is metadata:
                table.create(connection, checkfirst=True)
