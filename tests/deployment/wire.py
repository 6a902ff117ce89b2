"""Bytes on sockets: requests as no client library would send them."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

from tests.support import URL, card_click

PATIENCE_SECONDS = 30
"""So long may a busy machine take to answer; only who is never answered waits as long."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


@dataclass(frozen=True)
class Answers:
    """What came back on one connection."""

    statuses: list[int]
    closed: bool
    """By the server; else it was silent for as long as we have waited."""


def events_body(session: str = "visitor-1") -> bytes:
    return json.dumps(card_click(session_id=session)).encode()


def request(
    method: str = "POST", path: str = URL, body: bytes = b"", headers: tuple[str, ...] = ()
) -> bytes:
    """Return a good request; `headers` are whole lines, and Content-Length only where not given."""
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.example", *headers]
    framed = any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers)
    if method == "POST" and not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def connect(
    port: int, source: str = "127.0.0.1", seconds: float = 10, receive_buffer: int | None = None
) -> socket.socket:
    client = socket.socket()
    client.settimeout(seconds)
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        client.bind((source, 0))
        client.connect(("127.0.0.1", port))
    except OSError:
        client.close()
        raise
    return client


def exchange(port: int, sent: bytes, *, seconds: float = PATIENCE_SECONDS) -> Answers:
    """Send bytes; return all that is answered until the server closes or says nothing more.

    Nothing more is: no byte for `seconds`, or for a tenth of it once it has answered.
    """
    with connect(port) as client:
        with suppress(OSError):  # it may close while we send
            client.sendall(sent)
        return read_answers(client, seconds)


def read_answers(client: socket.socket, seconds: float = PATIENCE_SECONDS) -> Answers:
    received = b""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            client.settimeout(seconds / 10 if received else seconds)
            piece = client.recv(65536)
            if not piece:
                return Answers(_statuses(received), True)
            received += piece
    except TimeoutError:
        pass
    except OSError:
        return Answers(_statuses(received), True)
    return Answers(_statuses(received), False)


def _statuses(received: bytes) -> list[int]:
    return [int(status) for status in _STATUS.findall(received)]
