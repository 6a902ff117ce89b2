"""A text that is made once and asked for often: kept by browsers, and compressed where they ask."""

from __future__ import annotations

import gzip
import hashlib

from flask import Request, Response

from tcs_events.intake.answers import MARK

MAX_AGE_SECONDS = 3600
"""How long a browser keeps what may be another text at the same address one day."""


class Cacheable:
    """A text, as it is and compressed.

    Args:
        body: its bytes.
        mimetype: what they are.
    """

    def __init__(self, body: bytes, mimetype: str) -> None:
        self._mimetype = mimetype
        self._plain = body
        self._gzipped = gzip.compress(body, 9, mtime=0)
        self.version = hashlib.sha256(body).hexdigest()[:16]

    def response(
        self, request: Request, max_age_seconds: int, *, is_final: bool = False
    ) -> Response:
        """Answer a request: 200, or 304 where the client has the text already.

        Each of the two forms has an ETag of its own, as
        https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3 asks: a cache must not take one for
        the other. `is_final` says that the address will never mean another text.
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
    """Tell whether a client takes gzip, and likes it no less than the text as it is.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3: what is not named is as good as `*`; the
    text as it is may be sent unless it is refused, and is sent where both are: no 406 is of use.
    """
    qualities = {name.lower(): quality for name, quality in request.accept_encodings}
    names = [name for name in ("gzip", "x-gzip", "*") if name in qualities]
    gzip_quality = qualities[names[0]] if names else 0
    return gzip_quality > 0 and gzip_quality >= qualities.get("identity", 0)
