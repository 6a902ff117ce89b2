"""The reports of one app: on its database, with its settings."""

from __future__ import annotations

from datetime import UTC, date, datetime

from flask import Flask, current_app

from tcs_events.counts.days import date_in
from tcs_events.host import registration_of
from tcs_events.reports.questions import Reports


def reports_of(app: Flask) -> Reports:
    """Return the questions about an app's database. It needs an app context, as asking them does.

    A query given as a catalogue runs in the session of the host, which knows the binds of its
    models.

    Raises:
        ConfigError: the app has not registered the blueprint, or has no such database.
        DatabaseMissing: it has no `SQLAlchemy`.
    """
    registration = registration_of(app)
    return Reports(
        registration.database.engine,
        registration.settings,
        refresher=registration.refresher,
        run_select=lambda query: app.extensions["sqlalchemy"].session.scalars(query),
    )


def current_reports() -> Reports:
    """Return the questions about the current app's database; raises what `reports_of` raises."""
    return reports_of(current_app)


def current_day() -> date:
    """Return today's date in the time zone of the current app's reports."""
    return date_in(registration_of(current_app).settings.timezone, datetime.now(UTC))
