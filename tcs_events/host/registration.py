"""The extension's state on one app: its settings, the host's database, the stores, the collector.

Each part is made when it is first needed: the host may call `db.init_app` after it registers the
blueprint.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property, partial

from flask import Blueprint, Flask, current_app
from sqlalchemy import Connection, Table

from tcs_events.counts.meaning import meaning_of
from tcs_events.counts.refresh import Refresher
from tcs_events.database.creating import create_one_at_a_time
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.host_database import HostDatabase
from tcs_events.database.pools import leave_pool_of_parent
from tcs_events.database.supported import check_supported
from tcs_events.day_files.keeping import DayKeeper
from tcs_events.errors import ConfigError, DatabaseMissing, TcsEventsError
from tcs_events.event_types.schemas import event_schema
from tcs_events.intake.announcing import Signals
from tcs_events.intake.collector import Collector
from tcs_events.intake.intake import BotMarks, Intake, Limits
from tcs_events.intake.linking import Linker
from tcs_events.intake.reader import Reader
from tcs_events.intake.recent import RecentEvents
from tcs_events.intake.rejections import TIMEOUT_MS, KeptRejections
from tcs_events.intake.screening import Screening
from tcs_events.intake.scrub import Scrubber
from tcs_events.models import (
    EVENTS_TABLE,
    IDENTITIES_TABLE,
    OPTIONAL_TABLES,
    REJECTIONS_TABLE,
    USERS_TABLE,
    Tables,
    join_metadata,
)
from tcs_events.settings import BOTS_MARK, REFUSED, Settings
from tcs_events.stores import Store, store_for
from tcs_events.stores.connections import WriteConnections
from tcs_events.watch.counters import Counters
from tcs_events.watch.health import Health
from tcs_events.watch.tally import Tally

EXTENSION_KEY = "tcs_events"


class Registration:
    """The state of the blueprint on one app. It lives in `app.extensions["tcs_events"]`."""

    def __init__(self, blueprint: Blueprint, settings: Settings) -> None:
        self.blueprint = blueprint
        self.settings = settings
        self.tables: Tables = {}
        """Our tables in the metadata of the host's `db`: those of the features that are on.

        Empty while the app has no `db`.
        """
        self.schema: str | None = None
        """The schema of these tables, before any `schema_translate_map` of the host."""
        self.counters = Counters()
        """How the events of this process ended."""
        self.tally = Tally(self.counters, self)
        """Writes these counts into a table, where those of all processes add up."""
        self.health = Health(self)
        self.recent: RecentEvents | None = None
        """What became of the last events, if the app was in debug mode at its first request."""
        self.is_prepared = False
        """Whether the app has had its first request."""
        self.listeners: list[object] = []
        """What listens to signals of the app, which hold their receivers weakly."""
        self._stores: dict[str, Store] = {}
        self._reset()
        in_each_child(self._reset)
        self._pid = os.getpid()

    def _reset(self) -> None:
        self._opening = threading.Lock()
        self.preparing = threading.Lock()
        """Held during the first request's preparations, while later requests wait."""

    def join(self, app: Flask) -> bool:
        """Add our tables to the metadata of the host's `db`. Return False if there is no `db`.

        Raises:
            ConfigError: the settings name no such database, or one that is not supported, or the
                app has a table of its own with one of our names.
        """
        if not self.tables and (database := app.extensions.get("sqlalchemy")) is not None:
            bind_key = self.settings.bind_key
            if bind_key not in database.metadatas:
                raise ConfigError(
                    f"TCS_EVENTS_BIND_KEY is {bind_key!r}, which is not in SQLALCHEMY_BINDS."
                )
            if self.settings.other_databases == REFUSED:
                check_supported(app.config, bind_key)
            metadata = database.metadatas[bind_key]
            self.schema = self.settings.schema
            # SQLite has no schemas. One of its hosts that names one has attached another file, or
            # has other databases where it runs in production.
            if self.schema is None and not _is_sqlite(app, bind_key):
                self.schema = metadata.schema
            self.tables = join_metadata(metadata, self.settings, self.schema)
            create_one_at_a_time(metadata)
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
        if isinstance(engine, Connection):
            # Tests that roll back put a connection here, on which nothing is ever committed.
            engine = engine.engine
        if self._pid != os.getpid():
            # The app factory may have connected before the server forked, as by `db.create_all()`.
            leave_pool_of_parent(engine)
        return HostDatabase(engine, self.schema)

    def place_tables(self) -> None:
        """Have the current app's engine know the schema, before `UserEvent` is used with it."""
        if self.schema is not None:
            with suppress(TcsEventsError):  # the host gets the error of its own query
                _ = self.database

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

    @property
    def user_link_store(self) -> Store:
        """The store of the links to user ids.

        Raises what `database` raises, and:
            ConfigError: the feature is off, so that there is no table.
        """
        if self.settings.identify_user is None:
            raise ConfigError(
                "tcs_events.identify has a user_id, which needs a table of its own. Set"
                ' TCS_EVENTS_IDENTIFY_USER = "by_hand", and run `db.create_all()`, or `flask db'
                " migrate` and `flask db upgrade`."
            )
        return self._kept(USERS_TABLE, self.settings)

    @cached_property
    def linker(self) -> Linker:
        """Links sessions to persons, as the host's code says. Raises what `database` raises."""
        return Linker(
            self.reader,
            self.identity_store,
            lambda: self.user_link_store,
            self.database,
            self.settings.timeout_ms / 1000,
            self.counters,
        )

    @cached_property
    def refresher(self) -> Refresher:
        """Keeps the counts of the current app up to date. Raises what `database` raises."""
        meaning = meaning_of(self.settings.event_types)
        return Refresher(self.database.engine, self.settings.timezone, meaning)

    @cached_property
    def day_keeper(self) -> DayKeeper | None:
        """Keeps closed days as files. None unless the settings say so. Raises as `database`."""
        path = self.settings.day_files
        if path is None:
            return None
        return DayKeeper(self.database.engine, self.settings.timezone, path)

    @property
    def rejection_store(self) -> Store:
        """The store of refused events. Raises what `database` raises."""
        hasty = replace(self.settings, timeout_ms=TIMEOUT_MS)
        return self._kept(REJECTIONS_TABLE, hasty)

    def close(self) -> None:
        """Close all connections that events are written on. The next event opens new ones."""
        for store in [*self._stores.values()]:
            store.close()

    @cached_property
    def _connections(self) -> WriteConnections:
        return WriteConnections(self.database.hosts_engine, self.settings, self.schema)

    def _kept(self, table: str, settings: Settings) -> Store:
        ensure_own_state()
        with self._opening:
            if table not in self._stores:
                # First, because it adds our tables if the host called `db.init_app` late.
                database = self.database
                self._stores[table] = store_for(
                    self.tables[table],
                    database,
                    settings,
                    self._connections,
                    # If somebody locks another table, events have a connection left.
                    only_last=table != EVENTS_TABLE,
                )
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
        return Reader(event_schema(settings.event_types, 2 * settings.max_body_bytes), self.scrub)

    @cached_property
    def scrub(self) -> Scrubber | None:
        """Removes personal data from payloads. None unless the settings say so."""
        fields = self.settings.scrub_fields
        return Scrubber(fields) if fields else None

    @cached_property
    def limits(self) -> Limits | None:
        """How much may be sent to the current app. None is without limit.

        Raises what `shared_secret` raises.
        """
        settings = self.settings
        if settings.client_limit is None and settings.session_limit is None:
            return None
        from tcs_events.intake.rate_limits import MEMORY, RateLimits, shared_secret

        url = settings.limit_storage
        secret = os.urandom(32) if url == MEMORY else shared_secret(current_app.secret_key)
        return RateLimits(settings.client_limit, settings.session_limit, url, secret, self.counters)

    @cached_property
    def bot_marks(self) -> BotMarks | None:
        """Marks the sessions of crawlers. None unless the settings say so.

        Raises what `database` raises.
        """
        settings = self.settings
        if settings.bots != BOTS_MARK:
            return None
        from tcs_events.intake.bot_sessions import BotSessions  # needs tcs-events[bots]

        return BotSessions(self.database, settings.timezone, settings.timeout_ms / 1000)

    @cached_property
    def announcer(self) -> Signals:
        """Sends the signals of the current app."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        return Signals(app, lambda: in_context_of(app), self.counters)

    @cached_property
    def collector(self) -> Collector:
        """The collector of the current app. Raises what `store` raises."""
        settings = self.settings
        return Collector(
            self.reader,
            self._events(self.limits),
            Intake(
                self.reader.identity,
                self.identity_store,
                self.counters,
                Screening(settings),
                self.limits,
                self.bot_marks,
            ),
            settings.max_batch_events,
            self.counters,
            accepted_log_level=settings.accepted_log_level,
        )

    @cached_property
    def events_from_python(self) -> Intake:
        """Takes what the host's own code records. Rates are limited for browsers only.

        Raises what `store` raises.
        """
        return self._events(limits=None)

    def _events(self, limits: Limits | None) -> Intake:
        intake: Callable[..., Intake] = Intake
        if self.recent is not None:
            from tcs_events.intake.in_debug import DebugIntake  # not needed in production

            intake = partial(DebugIntake, self.recent)
        return intake(
            self.reader.event,
            self.store,
            self.counters,
            Screening(self.settings),
            limits,
            self.bot_marks,
            self.rejections,
            self.announcer,
        )

    @property
    def needed_tables(self) -> list[Table]:
        """Those of our tables without which nothing works, unlike those of a single feature."""
        return [table for name, table in self.tables.items() if name not in OPTIONAL_TABLES]

    def missing_tables(self) -> list[str]:
        """Return the names of our tables that are missing in the current app's database.

        Raises:
            DatabaseMissing: the app has no `SQLAlchemy`.
            StoreUnavailable: the database does not answer.
        """
        return self.database.missing_tables(self.tables.values())


def in_context_of(app: Flask) -> AbstractContextManager[object]:
    """Return a context in which the app is the current one. `EventsMiddleware` has none."""
    is_current = current_app and current_app._get_current_object() is app  # type: ignore[attr-defined]
    return nullcontext() if is_current else app.app_context()


def _is_sqlite(app: Flask, bind_key: str | None) -> bool:
    """Return whether an app's configuration names an SQLite database."""
    url = app.config.get("SQLALCHEMY_DATABASE_URI")
    if bind_key is not None:
        url = app.config.get("SQLALCHEMY_BINDS", {}).get(bind_key)
    if isinstance(url, dict):
        url = url.get("url")
    return str(url or "").startswith("sqlite")


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
