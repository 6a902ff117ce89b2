"""The built tracker: how it is served, and the tag that loads it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from flask import Flask, Response, current_app, request, url_for
from markupsafe import Markup

from tcs_events.registration import registration_of

MAX_AGE_SECONDS = 3600
VERSIONED_MAX_AGE_SECONDS = 365 * 24 * 3600


@cache
def _script() -> tuple[bytes, str]:
    """Return the built tracker and its version."""
    script = files("tcs_events").joinpath("static/tracker.js").read_bytes()
    return script, hashlib.sha256(script).hexdigest()[:16]


def tracker() -> Response:
    """Serve the built tracker; under the address of its version, to be kept for ever."""
    script, version = _script()
    response = Response(script, mimetype="text/javascript")
    response.set_etag(version)
    response.cache_control.public = True
    if request.args.get("v") == version:
        response.cache_control.max_age = VERSIONED_MAX_AGE_SECONDS
        response.cache_control.immutable = True
    else:
        response.cache_control.max_age = MAX_AGE_SECONDS
    response.make_conditional(request)
    return response


def script_tag(nonce: str | None = None) -> Markup:
    """Return the script tag, for templates: `{{ tcs_events_script() }}`.

    The nonce of the page's Content-Security-Policy is taken from `csp_nonce()` where the templates
    have such a global, as with Flask-Talisman.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    address = url_for(f"{registration_of(app).name_on(app)}.{tracker.__name__}", v=_script()[1])
    csp_nonce = app.jinja_env.globals.get("csp_nonce")
    if nonce is None and callable(csp_nonce):
        nonce = csp_nonce()
    nonce_attribute = Markup(' nonce="{}"').format(nonce) if nonce else ""
    return Markup('<script src="{}" defer{}></script>').format(address, nonce_attribute)
