"""A text that is made once and served often: cached by browsers, and compressed if they ask."""

from __future__ import annotations

import gzip
import hashlib

from flask import Request, Response

from tcs_events.intake.answers import MARK

MAX_AGE_SECONDS = 3600
"""How long a browser may cache an address whose text changes with a new version."""


class Cacheable:
    """A text, both plain and gzipped.

    Args:
        body: the bytes of the text.
        mimetype: the media type of the text.
    """

    def __init__(self, body: bytes, mimetype: str) -> None:
        self._mimetype = mimetype
        self._plain = body
        # mtime=0: every process makes the same bytes, which have the same ETag.
        self._gzipped = gzip.compress(body, 9, mtime=0)
        self.version = hashlib.sha256(body).hexdigest()[:16]

    def response(
        self, request: Request, max_age_seconds: int, *, is_final: bool = False
    ) -> Response:
        """Return the answer to a request: 200, or 304 if the client has this version already.

        The plain and the gzipped form have different ETags, so that a cache cannot confuse them:
        https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3.

        Args:
            request: its headers choose the form.
            max_age_seconds: how long the client may cache the text.
            is_final: the address will never serve another text.
        """
        is_gzipped = wants_gzip(request)
        response = Response(self._gzipped if is_gzipped else self._plain, mimetype=self._mimetype)
        if is_gzipped:
            response.content_encoding = "gzip"
        response.set_etag(f"{self.version}-gzip" if is_gzipped else self.version)
        response.vary.add("Accept-Encoding")
        response.headers[MARK[0]] = MARK[1]
        response.cache_control.public = True
        response.cache_control.max_age = max_age_seconds
        if is_final:
            response.cache_control.immutable = True
        return response.make_conditional(request)  # type: ignore[return-value]


def wants_gzip(request: Request) -> bool:
    """Return whether a client accepts gzip, and likes it at least as well as plain text.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3: `*` stands for each coding that is not
    named. A client that refuses both forms gets plain text, because a 406 would not help it.
    """
    qualities = {name.lower(): quality for name, quality in request.accept_encodings}
    names = [name for name in ("gzip", "x-gzip", "*") if name in qualities]
    gzip_quality = qualities[names[0]] if names else 0
    return gzip_quality > 0 and gzip_quality >= qualities.get("identity", 0)
