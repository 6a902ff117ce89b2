"""What a request says of who sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Sender(NamedTuple):
    """The few headers that decide whether an event is taken. None of them is ever stored."""

    address: str
    """Who is at the other end of the connection, as the server says. What a header claims is not
    believed: behind a proxy the host's ProxyFix says which one is."""
    user_agent: str
    refuses_sale: bool
    """`Sec-GPC: 1`: https://www.w3.org/TR/gpc/"""
    refuses_tracking: bool
    """`DNT: 1`: https://www.w3.org/TR/tracking-dnt/"""


def address_of(environ: WSGIEnvironment) -> str:
    """Return who is at the other end of the connection; "" where the server does not say."""
    return environ.get("REMOTE_ADDR") or ""


def sender_of(environ: WSGIEnvironment) -> Sender:
    """Return who sends a request."""
    get = environ.get
    return Sender(
        address_of(environ),
        get("HTTP_USER_AGENT") or "",
        get("HTTP_SEC_GPC") == "1",
        get("HTTP_DNT") == "1",
    )
