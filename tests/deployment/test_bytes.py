"""What no client library would send, on sockets: to gunicorn itself, and through nginx."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.deployment.servers import App
from tests.deployment.wire import Answers, connect, events_body, exchange, read_answers, request

BODY = events_body("outer")
LENGTH = str(len(BODY))
SMUGGLED = request(body=events_body("smuggled"))
MAX_BODY_BYTES = 64 * 1024
ENDLESS_BYTES = 200_000_000
REFUSED = {400, 413, 431, 501, 505}


def post(*headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    head = "\r\n".join([f"POST /api/events HTTP/{version}", "Host: shop.example", *headers])
    return head.encode("latin-1") + b"\r\n\r\n" + body


def chunks(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


CHUNKED = "Transfer-Encoding: chunked"
SMUGGLING = {
    "CL and TE": post(f"Content-Length: {LENGTH}", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "TE and CL": post(CHUNKED, "Content-Length: 4", body=chunks(BODY + SMUGGLED, 10_000)),
    "negative CL": post("Content-Length: -1", body=BODY + SMUGGLED),
    "CL with a plus": post(f"Content-Length: +{LENGTH}", body=BODY + SMUGGLED),
    "CL in hex": post("Content-Length: 0x10", body=BODY + SMUGGLED),
    "CL as a list": post(f"Content-Length: {LENGTH}, 5", body=BODY + SMUGGLED),
    "two CL": post(f"Content-Length: {LENGTH}", "Content-Length: 5", body=BODY + SMUGGLED),
    "space before the colon": post(f"Content-Length : {LENGTH}", body=BODY + SMUGGLED),
    "bare CR": post(f"X: a\rContent-Length: {LENGTH}", body=SMUGGLED),
    "folded header": post("X: a\r\n Content-Length: 3", f"Content-Length: {LENGTH}", body=BODY),
    "NUL in a header": post("X: a\0b", f"Content-Length: {LENGTH}", body=BODY),
    "unknown TE": post(
        "Transfer-Encoding: xchunked", f"Content-Length: {LENGTH}", body=BODY + SMUGGLED
    ),
    "TE after a tab": post(
        "Transfer-Encoding: \x0bchunked", f"Content-Length: {LENGTH}", body=BODY + SMUGGLED
    ),
    "chunked is not the last": post(
        "Transfer-Encoding: chunked, identity", body=chunks(BODY, 50) + SMUGGLED
    ),
    "chunked in HTTP/1.0": post(CHUNKED, body=chunks(BODY, 50) + SMUGGLED, version="1.0"),
    "negative chunk": post(CHUNKED, body=b"-5\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "header of 9 kB": post("X: " + "a" * 9000, f"Content-Length: {LENGTH}", body=BODY),
}


def answered(app: App, sent: bytes) -> tuple[Answers, list[str]]:
    """Return what is answered, and the sessions of the events that are stored by it."""
    before = len(app.sessions())
    answers = exchange(app.port, sent)
    return answers, app.sessions()[before:]


@pytest.mark.parametrize("name", SMUGGLING)
def test_who_would_smuggle_is_refused_and_hung_up_on(app: App, name: str) -> None:
    answers, sessions = answered(app, SMUGGLING[name])
    assert answers.closed
    assert len(answers.statuses) == 1
    assert answers.statuses[0] in REFUSED
    assert sessions == []


def test_two_good_requests_in_one_piece_are_two(app: App) -> None:
    """The control of the test above: what is smuggled would be seen."""
    answers, sessions = answered(app, request(body=BODY) + SMUGGLED)
    assert answers.statuses == [202, 202]
    assert sessions == ["outer", "smuggled"]


def test_an_underscore_is_no_hyphen(app: App) -> None:
    """Both see a request without a body, and then another one: nobody is fooled."""
    answers, sessions = answered(app, post("Content_Length: 5", body=SMUGGLED))
    assert answers.statuses == [422, 202]
    assert sessions == ["smuggled"]


@pytest.mark.parametrize("size", [1, 7, 50, 4096])
def test_chunks_of_any_size_are_one_body(app: App, size: int) -> None:
    answers, sessions = answered(app, post(CHUNKED, body=chunks(BODY, size)))
    assert (answers.statuses, sessions) == ([202], ["outer"])


@pytest.mark.parametrize("size", [100, 8192, 1 << 20])
def test_chunks_beyond_the_cap_are_refused(app: App, size: int) -> None:
    answers, sessions = answered(app, post(CHUNKED, body=chunks(b" " * 200_000, size)))
    assert (answers.statuses, sessions) == ([413], [])


def test_an_announced_body_beyond_the_cap_is_not_waited_for(app: App) -> None:
    answers, _ = answered(app, post(f"Content-Length: {MAX_BODY_BYTES + 1}"))
    assert answers.statuses == [413]


def test_an_endless_body_is_answered_413_and_costs_no_memory(app: App) -> None:
    before, sent = app.rss_mb(), 0
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with connect(app.port) as client:
        client.sendall(post(CHUNKED))
        try:
            while sent < ENDLESS_BYTES:
                client.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        answers = read_answers(client)
    assert answers == Answers([413], True)
    assert app.rss_mb() - before < 5


def test_a_client_that_goes_away_at_any_byte_does_no_harm(app: App) -> None:
    sent = request(body=events_body("gone"))
    for reset in (False, True):
        before = len(app.sessions())
        for offset in range(0, len(sent), 3):
            _send_and_go(app.port, sent[:offset], reset)
        assert app.sessions()[before:] == []
    _send_and_go(app.port, sent, reset=False)
    assert exchange(app.port, request(body=BODY)).statuses == [202]
    assert app.sessions()[before:] in (["outer"], ["gone", "outer"], ["outer", "gone"])


def _send_and_go(port: int, sent: bytes, reset: bool) -> None:
    with connect(port) as client:
        if reset:  # with a RST in place of a FIN
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(sent)
