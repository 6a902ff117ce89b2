"""A request to a page of the host tells whose it is: by a header, else by a cookie."""

from __future__ import annotations

import pytest
from flask import Flask

from tcs_events.event import SESSION_ID_MAX_LENGTH
from tcs_events.tracking.session import visitors_session

GOOD = "0b4f3c0e-6a5e-4c64-9b1c-1d0a5f3a7e11"
BAD = ["", "   ", "a\tb", "x" * (SESSION_ID_MAX_LENGTH + 1)]


def session_of(header: str | None = None, cookie: str | None = None) -> str | None:
    headers = {} if header is None else {"X-TCS-Session-ID": header}
    if cookie is not None:
        headers["Cookie"] = f'tcs_session_id="{cookie}"'
    with Flask("host").test_request_context(headers=headers):
        return visitors_session()


def test_the_header_is_asked_before_the_cookie() -> None:
    assert session_of(header=GOOD) == GOOD
    assert session_of(cookie=GOOD) == GOOD
    assert session_of(header=GOOD, cookie="other") == GOOD


@pytest.mark.parametrize("bad", BAD)
def test_a_text_that_is_no_session_counts_as_missing(bad: str) -> None:
    assert session_of(header=bad) is None
    assert session_of(cookie=bad) is None
    assert session_of(header=bad, cookie=GOOD) == GOOD


def test_a_page_that_has_no_session_to_send_sends_none() -> None:
    """Without consent `tcsEvents.sessionId()` is undefined, which `fetch` makes a text of."""
    assert session_of(header="undefined") is None
    assert session_of(header="undefined", cookie=GOOD) == GOOD


def test_a_cookie_is_decoded_as_the_tracker_encodes_it() -> None:
    """With `encodeURIComponent`, as a host's own session may have any printable character."""
    assert session_of(cookie="a%3B%20b%2525%C3%A9") == "a; b%25é"
    assert session_of(cookie="a%09b") is None


def test_there_is_none_without_a_request() -> None:
    assert session_of() is None
    assert visitors_session() is None
    with Flask("host").app_context():
        assert visitors_session() is None
