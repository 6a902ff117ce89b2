"""Headers for pages of other origins: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

from collections.abc import Container

from tcs_events.intake.answers import MARK

# The most that Chromium keeps:
# https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age
PREFLIGHT_MAX_AGE_SECONDS = 7200
EXPOSED = f"Retry-After, {MARK[0]}"
"""The response headers that the tracker reads."""


def cors_headers(origin: str | None, allowed: Container[str]) -> tuple[tuple[str, str], ...]:
    """Return the headers that let a page of an allowed origin read an answer.

    Credentials are not allowed, because events need no login. The tracker's requests need no
    preflight. A request with `Content-Type: application/json` does.
    """
    if origin is None or origin not in allowed:
        # Vary, so that a cache does not give this answer to a page of an allowed origin.
        return (("Vary", "Origin"),)
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", "POST"),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Expose-Headers", EXPOSED),
        ("Access-Control-Max-Age", str(PREFLIGHT_MAX_AGE_SECONDS)),
        ("Vary", "Origin"),
    )
