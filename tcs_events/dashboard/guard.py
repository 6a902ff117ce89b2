"""Who is let in, and what the answers tell a browser not to do."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutine
from typing import Any

from flask import Response, abort, current_app, request
from werkzeug.wrappers import Response as AnyResponse

from tcs_events.errors import ConfigError
from tcs_events.host import EXTENSION_KEY

Access = Callable[[], Any]
"""True lets in, False is answered 403, a response is given as it is."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
_LET_IN = "tcs_events/is_let_in"  # in the environ: `g` outlives a request in a pushed context


def check_access_rule(access: object) -> None:
    """Refuse a dashboard that everybody could read.

    Raises:
        ConfigError: `access` is no callable.
    """
    if not callable(access):
        raise ConfigError(
            "create_dashboard needs a function that says who may read it, called without arguments"
            " on every request: create_dashboard(access=lambda: current_user.is_admin)."
        )


def ask_access(access: Access) -> AnyResponse | None:
    """Let the current request in (None), or answer it; passes on what the rule raises.

    Raises:
        ConfigError: the rule gave something else than True, nothing, or a response. A truthy thing
            is no permission: the coroutine of an `async` function would let everybody in.
    """
    verdict = current_app.ensure_sync(access)()
    if isinstance(verdict, AnyResponse):
        return verdict
    if verdict is True:
        request.environ[_LET_IN] = True
        return None
    if iscoroutine(verdict):
        verdict.close()
    elif not verdict:
        abort(403)
    raise ConfigError(
        "The access rule of create_dashboard returns True, False or a response,"
        f" not {type(verdict).__name__}. Write `return bool(...)`."
    )


def demand_events_blueprint() -> None:
    """Refuse an app that has a dashboard and no events.

    Raises:
        ConfigError: the blueprint that collects events is not registered on the current app.
    """
    if EXTENSION_KEY not in current_app.extensions:
        raise ConfigError(
            "The dashboard reads what tcs_events collects, which this app does not register. Add"
            " `app.register_blueprint(events_bp)` with `from tcs_events import events_bp`."
        )


def protect(response: Response) -> Response:
    """Add the headers of every answer, and those of our own pages to whoever was let in."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    if request.environ.get(_LET_IN):
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        if request.endpoint and request.endpoint.endswith(".static"):
            response.headers["Cache-Control"] = "private, no-cache"
    return response
