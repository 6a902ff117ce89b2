"""The page for developers: what became of the last events of this process."""

from __future__ import annotations

import os
import secrets
from functools import cache
from zoneinfo import ZoneInfo

from flask import Response
from jinja2 import Template

from tcs_events.faces.own_templates import own_templates
from tcs_events.intake.answers import MARK
from tcs_events.intake.recent import KEPT, RecentEvents


@cache
def _template() -> Template:
    return own_templates("tcs_events.faces", "templates").get_template("debug.html")


def page_of(recent: RecentEvents, zone: ZoneInfo) -> Response:
    """Return the page. It gets itself anew every two seconds."""
    nonce = secrets.token_urlsafe(16)
    html = _template().render(
        total=recent.total,
        events=recent.newest(),
        kept=KEPT,
        pid=os.getpid(),
        zone=zone,
        nonce=nonce,
    )
    # A client may have sent half of a surrogate pair, which UTF-8 cannot encode.
    response = Response(html.encode("utf-8", "replace"), mimetype="text/html")
    response.headers[MARK[0]] = MARK[1]
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
        " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
