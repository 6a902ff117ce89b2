"""What all calls from the host's own Python have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app

from tcs_events.errors import ConfigError, TcsEventsError
from tcs_events.watch.log import log_raised


def app_of(function: str) -> Flask:
    """Return the current app, for the public function of this name.

    Raises:
        ConfigError: there is no app context.
    """
    if not current_app:
        raise ConfigError(
            f"tcs_events.{function} needs an app context, as `db.session` does. In a script or a"
            " task, use `with app.app_context():`."
        )
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


@contextmanager
def harmless_in_production(app: Flask, line: str) -> Iterator[None]:
    """Raise errors in debug mode and in tests. In production, log them and go on.

    Args:
        app: the host.
        line: the name of the line for an error that is not one of ours.
    """
    try:
        yield
    except TcsEventsError:  # logged where it was met
        if app.debug or app.testing:
            raise
    except Exception as error:
        if app.debug or app.testing:
            raise
        log_raised(line, error)
