"""The access rule, and the security headers of every answer."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutine
from typing import Any

from flask import Response, abort, current_app, request
from werkzeug.wrappers import Response as AnyResponse

from tcs_events.errors import ConfigError
from tcs_events.host import EXTENSION_KEY

Access = Callable[[], Any]
"""Returns True to let the request in, False for 403, or a response to send instead."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
# Kept in the environ, because `g` outlives a request where the host has pushed an app context.
_LET_IN = "tcs_events/is_let_in"


def check_access_rule(access: object) -> None:
    """Refuse a dashboard without an access rule: everybody could read it.

    Raises:
        ConfigError: `access` is not callable.
    """
    if not callable(access):
        raise ConfigError(
            "create_dashboard needs a function that decides who may read the dashboard. It is"
            " called without arguments on every request:"
            " create_dashboard(access=lambda: current_user.is_admin)."
        )


def ask_access(access: Access) -> AnyResponse | None:
    """Return None to let the current request in, or the response that refuses it.

    Raises:
        ConfigError: the rule returned something other than True, a falsy value or a response.
            Other truthy values are refused, because a coroutine is one: an access rule that was
            not awaited would let everybody in.
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
        "The access rule of create_dashboard must return True, False or a response,"
        f" not {type(verdict).__name__}. Write `return bool(...)`."
    )


def demand_events_blueprint() -> None:
    """Refuse requests on an app that has the dashboard but not `events_bp`.

    Raises:
        ConfigError: the blueprint that collects events is not registered on the current app.
    """
    if EXTENSION_KEY not in current_app.extensions:
        raise ConfigError(
            "The dashboard needs the events blueprint, which this app does not register. Add"
            " `from tcs_events import events_bp` and `app.register_blueprint(events_bp)`."
        )


def protect(response: Response) -> Response:
    """Add the security headers. The Content-Security-Policy is only for pages of ours.

    A response of the access rule, such as the host's login page, keeps its own policy.
    """
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    if request.environ.get(_LET_IN):
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        if request.endpoint and request.endpoint.endswith(".static"):
            response.headers["Cache-Control"] = "private, no-cache"
    return response
