"""Clients that hold a connection and get no further: slow headers, slow bodies, slow reads."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.deployment.host import LONG_PAGE
from tests.deployment.wire import PATIENCE_SECONDS, connect, events_body, exchange, request

PER_ADDRESS = 50
"""Below what the documented `limit_conn` lets one address have."""


def _slow_headers(client: socket.socket) -> None:
    client.sendall(b"POST /api/events HTTP/1.1\r\nHost: shop.ex")


def _slow_body(client: socket.socket) -> None:
    client.sendall(request(body=events_body("stalled"))[:-5])


def _slow_read(client: socket.socket) -> None:
    """Ask for more than the buffers in between hold, and read none of it."""
    client.sendall(request("GET", LONG_PAGE))


STALLS: dict[str, Callable[[socket.socket], None]] = {
    "slow headers": _slow_headers,
    "slow bodies": _slow_body,
    "slow reads": _slow_read,
}


@contextmanager
def stalled(port: int, connections: int = 200) -> Iterator[Callable[[], int]]:
    """Hold so many connections, a third of each kind; gives how many are still held."""
    with contextlib.ExitStack() as stack:
        held = []
        for number in range(connections):
            source = f"127.0.1.{1 + number // PER_ADDRESS}"
            client = stack.enter_context(connect(port, source, receive_buffer=1024))
            list(STALLS.values())[number % len(STALLS)](client)
            held.append(client)
        yield lambda: sum(_is_open(client) for client in held)


def _is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def good_requests(
    port: int, requests: int, *, clients: int = 4, seconds: float = PATIENCE_SECONDS
) -> tuple[list[list[int]], list[float]]:
    """Post good events, one after the other from each client, each on a new connection.

    Returns:
        What each was answered (nothing within `seconds` is `[]`), and its milliseconds.
    """
    gone = threading.Event()

    def post(number: int) -> tuple[list[int], float]:
        sent = request(body=events_body(f"good {number}"), headers=("Connection: close",))
        if gone.is_set():
            return [], seconds * 1000
        began = time.perf_counter()
        statuses = exchange(port, sent, seconds=seconds).statuses
        if not statuses:
            gone.set()  # what nobody answers once need not be waited for again and again
        return statuses, (time.perf_counter() - began) * 1000

    with ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(post, range(requests)))
    return [statuses for statuses, _ in done], [milliseconds for _, milliseconds in done]
