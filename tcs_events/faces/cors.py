"""Answers for pages of other origins: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

from collections.abc import Container

from tcs_events.intake.answers import MARK

PREFLIGHT_MAX_AGE_SECONDS = 7200  # as long as any browser keeps it
EXPOSED = f"Retry-After, {MARK[0]}"
"""The headers of an answer that the tracker reads."""


def cors_headers(origin: str | None, allowed: Container[str]) -> tuple[tuple[str, str], ...]:
    """Return the headers that let a page of an allowed origin read an answer.

    No credentials: the endpoint takes no authority from a cookie. The tracker's requests need no
    preflight; one with a Content-Type of JSON does.
    """
    if origin is None or origin not in allowed:
        return (("Vary", "Origin"),)
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", "POST"),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Expose-Headers", EXPOSED),
        ("Access-Control-Max-Age", str(PREFLIGHT_MAX_AGE_SECONDS)),
        ("Vary", "Origin"),
    )
