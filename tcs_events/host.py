"""The extension's state on one app: its settings, the host's database, the stores, the collector.

The host may call `db.init_app` before or after it registers the blueprint, so the database is
looked up when it is first needed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial

from flask import Blueprint, Flask, appcontext_pushed, current_app, has_app_context, request_started
from sqlalchemy import Connection, MetaData, event
from werkzeug.routing import Rule

from tcs_events.counts.refresh import Refresher
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.host_database import HostDatabase
from tcs_events.database.pools import leave_pool_of_parent
from tcs_events.errors import ConfigError, DatabaseMissing, TableMissing, TcsEventsError
from tcs_events.event_types.schemas import event_schema
from tcs_events.intake.answers import log_trouble
from tcs_events.intake.collector import Collector
from tcs_events.intake.intake import BotMarks, Intake, Limits
from tcs_events.intake.reader import Reader
from tcs_events.intake.rejections import TIMEOUT_MS, KeptRejections
from tcs_events.intake.screening import Screening
from tcs_events.intake.scrub import Scrubber
from tcs_events.models import (
    EVENTS_TABLE,
    IDENTITIES_TABLE,
    REJECTIONS_TABLE,
    Tables,
    UserEvent,
    UserEventBotSession,
    UserEventIdentity,
    UserEventRejection,
    join_metadata,
)
from tcs_events.settings import BOTS_MARK, LOST_ON_POWER_CUT, Settings
from tcs_events.stores import SqlStore, Store
from tcs_events.watch.counters import Counters
from tcs_events.watch.health import Health
from tcs_events.watch.log import log
from tcs_events.watch.tally import Tally

EXTENSION_KEY = "tcs_events"
ANY_HOST = "tcs_events_host"
"""The URL variable for the host name, on an app with `host_matching` that names no host for us.

Without it the blueprint's routes would match no request."""
MODELS = (UserEvent, UserEventIdentity, UserEventBotSession, UserEventRejection)


class Registration:
    """The state of the blueprint on one app. It lives in `app.extensions["tcs_events"]`."""

    def __init__(self, app: Flask, blueprint: Blueprint, settings: Settings) -> None:
        self.blueprint = blueprint
        self.settings = settings
        self.tables: Tables = {}
        """Our tables in the metadata of the host's `db`. Empty while the app has no `db`."""
        self.counters = Counters()
        """How the events of this process ended."""
        self.tally = Tally(self.counters, self)
        """Writes these counts into a table, where those of all processes add up."""
        self.health = Health(self)
        self._had_request = False
        self._stores: dict[str, SqlStore] = {}
        self._reset()
        in_each_child(self._reset)
        self._pid = os.getpid()
        app.extensions[EXTENSION_KEY] = self
        app.shell_context_processor(lambda: {model.__name__: model for model in MODELS})
        request_started.connect(self._on_request_started, app)
        if not self.join(app):
            appcontext_pushed.connect(self._on_appcontext_pushed, app)

    def _reset(self) -> None:
        self._first_request = threading.Lock()
        self._opening = threading.Lock()

    def join(self, app: Flask) -> bool:
        """Add our tables to the metadata of the host's `db`. Return False if there is no `db`."""
        if not self.tables and (database := app.extensions.get("sqlalchemy")) is not None:
            bind_key = self.settings.bind_key
            if bind_key not in database.metadatas:
                raise ConfigError(
                    f"TCS_EVENTS_BIND_KEY is {bind_key!r}, which is not in SQLALCHEMY_BINDS."
                )
            self.tables = join_metadata(database.metadatas[bind_key])
        return bool(self.tables)

    @cached_property
    def database(self) -> HostDatabase:
        """The current app's database, for all that does not store events.

        Raises:
            DatabaseMissing: the app has no `SQLAlchemy`.
            ConfigError: its `SQLAlchemy` has no such database.
        """
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        self.join(app)
        if not self.tables:
            raise DatabaseMissing
        engines = app.extensions["sqlalchemy"].engines
        if self.settings.bind_key not in engines:
            raise ConfigError(
                "This app has no default database. Set SQLALCHEMY_DATABASE_URI, or set"
                f" TCS_EVENTS_BIND_KEY to one of: {', '.join(engines)}."
            )
        engine = engines[self.settings.bind_key]
        if self._pid != os.getpid():
            # The app factory may have connected before the server forked, as by `db.create_all()`.
            leave_pool_of_parent(engine)
        return HostDatabase(engine)

    @property
    def store(self) -> Store:
        """The store of the current app's events. Raises what `database` raises."""
        return self._kept(EVENTS_TABLE, self.settings)

    @property
    def opened_store(self) -> Store | None:
        """The store of events if it was needed before, else None. Asking opens no connection."""
        return self._stores.get(EVENTS_TABLE)

    @property
    def identity_store(self) -> Store:
        """The store of the owners of sessions. Raises what `database` raises."""
        return self._kept(IDENTITIES_TABLE, self.settings)

    @cached_property
    def refresher(self) -> Refresher:
        """Keeps the counts of the current app up to date. Raises what `database` raises."""
        return Refresher(self.database.engine, self.settings.timezone)

    @property
    def rejection_store(self) -> SqlStore:
        """The store of refused events. Raises what `database` raises."""
        hasty = replace(self.settings, timeout_ms=TIMEOUT_MS, durability=LOST_ON_POWER_CUT)
        return self._kept(REJECTIONS_TABLE, hasty)

    def close(self) -> None:
        """Close all connections that events are written on. The next event opens new ones."""
        for store in [*self._stores.values()]:
            store.close()

    def _kept(self, table: str, settings: Settings) -> SqlStore:
        ensure_own_state()
        with self._opening:
            if table not in self._stores:
                self._stores[table] = SqlStore(self.database, self.tables[table], settings)
            return self._stores[table]

    @cached_property
    def rejections(self) -> KeptRejections | None:
        """Keeps refused events. None unless the settings say so. Raises what `database` raises."""
        keep = self.settings.keep_rejected
        if not keep:
            return None
        return KeptRejections(self.rejection_store, self.database.engine, keep, self.counters)

    @cached_property
    def reader(self) -> Reader:
        """Makes events from request bodies, and from refused events that are replayed."""
        settings = self.settings
        scrub = Scrubber(settings.scrub_fields) if settings.scrub_fields else None
        return Reader(event_schema(settings.event_types), scrub, settings.max_values)

    @cached_property
    def collector(self) -> Collector:
        """The collector of the current app. Raises what `store` raises."""
        settings = self.settings
        intake = partial(
            Intake,
            counters=self.counters,
            screen=Screening(settings),
            limits=self._limits(),
            bot_marks=self._bot_marks() if settings.bots == BOTS_MARK else None,
        )
        return Collector(
            self.reader,
            intake(self.reader.event, self.store, rejections=self.rejections),
            intake(self.reader.identity, self.identity_store),
            settings.max_batch_events,
            self.counters,
            accepted_log_level=settings.accepted_log_level,
        )

    def _limits(self) -> Limits | None:
        """Return the rate limits of the current app, None without limits.

        Raises what `shared_secret` raises.
        """
        settings = self.settings
        if settings.client_limit is None and settings.session_limit is None:
            return None
        from tcs_events.intake.rate_limits import MEMORY, RateLimits, shared_secret

        url = settings.limit_storage
        secret = os.urandom(32) if url == MEMORY else shared_secret(current_app.secret_key)
        return RateLimits(settings.client_limit, settings.session_limit, url, secret, self.counters)

    def _bot_marks(self) -> BotMarks:
        from tcs_events.intake.bot_sessions import BotSessions  # needs tcs-events[bots]

        settings = self.settings
        return BotSessions(self.database, settings.timezone, settings.timeout_ms / 1000)

    def ingestion_rules(self, app: Flask) -> list[Rule]:
        """Return the routes that take events."""
        return [rule for rule in self.rules(app) if "POST" in (rule.methods or ())]

    def is_ours(self, app: Flask, rule: Rule) -> bool:
        """Tell whether a route is one of ours."""
        return self.route_of(app, rule) is not None

    def route_of(self, app: Flask, rule: Rule) -> str | None:
        """Return the name of a route of ours, such as `collect`; None for a route of the host."""
        prefix = f"{self.name_on(app)}."
        return rule.endpoint.removeprefix(prefix) if rule.endpoint.startswith(prefix) else None

    def routes(self, app: Flask) -> Iterator[tuple[str, Rule]]:
        """Yield all our routes as the host has mounted them: the name and the rule of each."""
        for rule in app.url_map.iter_rules():
            if (name := self.route_of(app, rule)) is not None:
                yield name, rule

    def rules(self, app: Flask) -> Iterator[Rule]:
        """Return the rules of all our routes."""
        return (rule for _, rule in self.routes(app))

    def name_on(self, app: Flask) -> str:
        """Return the name of the blueprint on this app, with the names of its parents."""
        return next(name for name, found in app.blueprints.items() if found is self.blueprint)

    def log_tables(self) -> None:
        """Log whether the current app has all tables."""
        try:
            if missing := self.missing_tables():
                raise TableMissing(missing[0])
        except TcsEventsError as error:
            log_trouble(error)
        else:
            log.info("tcs_events.tables_ready", tables=list(self.tables))

    def missing_tables(self) -> list[str]:
        """Return the names of our tables that are missing in the current app's database.

        Raises:
            DatabaseMissing: the app has no `SQLAlchemy`.
            StoreUnavailable: the database does not answer.
        """
        there = self.database.table_names()
        return [name for name in self.tables if name not in there]

    def _on_appcontext_pushed(self, app: Flask) -> None:
        if self.join(app):
            appcontext_pushed.disconnect(self._on_appcontext_pushed, app)

    def _on_request_started(self, app: Flask, **_: object) -> None:
        """Run before the host's `before_request` functions, when the host is set up completely."""
        if not self._had_request:
            self.on_first_request(app)

    def on_first_request(self, app: Flask) -> None:
        """Do once what needs a host that is set up completely.

        Requests that arrive meanwhile wait. Without the CSRF exemption they would be refused.
        """
        ensure_own_state()
        with self._first_request:
            if self._had_request:
                return
            if (csrf := app.extensions.get("csrf")) is not None:
                # Flask-WTF protects actions that a cookie authorizes. Our routes use no cookie.
                csrf.exempt(self.blueprint)
            with app.app_context():
                self.log_tables()
            self._had_request = True


def is_reachable_by_path(rule: Rule) -> bool:
    """Tell whether a request to the path of a rule reaches it, on the app's own host name."""
    is_on_any_host = not rule.subdomain and rule.host in (None, "", f"<{ANY_HOST}>")
    return rule.arguments <= {ANY_HOST} and is_on_any_host


def registration_of(app: Flask) -> Registration:
    """Return the registration of an app that has registered the blueprint.

    Raises:
        ConfigError: it has not. Defaults would be wrong: the time zone of the web app decides how
            days are counted, and a script with another one would count them all again.
    """
    registration: Registration | None = app.extensions.get(EXTENSION_KEY)
    if registration is None:
        raise ConfigError(
            "tcs_events is not registered on this app, so that its settings are not known. Add"
            " `app.register_blueprint(events_bp)` with `from tcs_events import events_bp`, and the"
            " TCS_EVENTS_ keys of your web app; a script without pages needs both, too."
        )
    return registration


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
