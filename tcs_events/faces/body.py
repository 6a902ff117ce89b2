"""Reads the body of a request, and no more of it than the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.sansio.utils import get_content_length
from werkzeug.wsgi import get_input_stream

from tcs_events.errors import BodyEncoded, BodyTooLarge, EventInvalid

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug import Request


def read_body(environ: WSGIEnvironment, limit_bytes: int, host_limit_bytes: int | None) -> bytes:
    """Return the body of a request. The lower of the two limits applies. None means no limit.

    Raises:
        BodyEncoded: the body is compressed.
        BodyTooLarge: it is longer than the limit.
        EventInvalid: it ended before its announced length.
    """
    _refuse_encoded(environ)
    limit = _limit(limit_bytes, host_limit_bytes)
    length = get_content_length(
        environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")
    )
    if length is not None and length > limit:
        raise BodyTooLarge(limit)
    return _limited(limit, lambda: _read_input(environ, length, limit))


def _read_input(environ: WSGIEnvironment, length: int | None, limit: int) -> bytes:
    if length is None:
        # One byte too many, if there is one, shows that the body is too long.
        return get_input_stream(environ).read(limit + 1)
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) < length:  # A read may return less than was asked for.
        body += _read_all(environ["wsgi.input"], length - len(body))
    if len(body) < length:
        raise ClientDisconnected
    return body


def read_again(request: Request, limit_bytes: int, host_limit_bytes: int | None) -> bytes:
    """Return the body of a request that the host may have read before. Raises like `read_body`.

    If the host read from `request.stream`, only the rest is left.
    """
    _refuse_encoded(request.environ)
    limit = _limit(limit_bytes, host_limit_bytes)
    return _limited(limit, request.get_data)


def _limited(limit: int, read: Callable[[], bytes]) -> bytes:
    try:
        body = read()
    except RequestEntityTooLarge:
        raise BodyTooLarge(limit) from None
    except (ClientDisconnected, OSError):
        raise EventInvalid({"_schema": ["The body ended too early."]}) from None
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


def _refuse_encoded(environ: WSGIEnvironment) -> None:
    if environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in ("", "identity"):
        raise BodyEncoded


def _limit(limit_bytes: int, host_limit_bytes: int | None) -> int:
    return limit_bytes if host_limit_bytes is None else min(limit_bytes, host_limit_bytes)


def _read_all(stream: Any, length: int) -> bytes:
    pieces = []
    while length > 0 and (piece := stream.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
