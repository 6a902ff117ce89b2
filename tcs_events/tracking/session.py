"""Finds the visitor's session in a request to one of the host's own pages."""

from __future__ import annotations

from urllib.parse import unquote

from flask import has_request_context, request

from tcs_events.event_types.schemas import known_session_id

HEADER = "X-TCS-Session-ID"
"""The header in which a page's own requests send the session."""
COOKIE = "tcs_session_id"
"""The cookie in which the tracker keeps the session, if the host has asked for one."""
_UNDEFINED = "undefined"
"""What `fetch` sends for a visitor without a session, if the page has no default for it.

As a session it would make one visitor of all who refused consent.
"""


def visitors_session() -> str | None:
    """Return the session of the visitor who sends the current request.

    It is in the header `X-TCS-Session-ID`, else in the cookie `tcs_session_id`. The browser may
    send any text there, so one that the endpoint would refuse as a `session_id` counts as missing.

    Returns None if the request has neither, and outside a request.
    """
    if not has_request_context():
        return None
    header = request.headers.get(HEADER)
    if header != _UNDEFINED and (session_id := known_session_id(header)):
        return session_id
    # The tracker encodes it, as a session may have characters that end a cookie.
    return known_session_id(unquote(request.cookies.get(COOKIE, "")))
