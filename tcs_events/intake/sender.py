"""What a request says about its sender."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Sender(NamedTuple):
    """What decides whether the events of a request are accepted. None of it is ever stored."""

    address: str
    """The other end of the connection as the server reports it, "" if it does not.

    Headers are not believed. Behind a proxy, the host's ProxyFix replaces the address by the one
    that the proxy saw.
    """
    user_agent: str
    refuses_sale: bool
    """`Sec-GPC: 1`: https://www.w3.org/TR/gpc/"""
    refuses_tracking: bool
    """`DNT: 1`: https://www.w3.org/TR/tracking-dnt/"""


def sender_of(environ: WSGIEnvironment) -> Sender:
    """Return the sender of a request."""
    get = environ.get
    return Sender(
        get("REMOTE_ADDR") or "",
        get("HTTP_USER_AGENT") or "",
        get("HTTP_SEC_GPC") == "1",
        get("HTTP_DNT") == "1",
    )
