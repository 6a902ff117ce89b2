"""A network between the web server and PostgreSQL that can hang, break, and lose answers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

HUNG_SECONDS = 3
BROKEN_SECONDS = 1.5
SLOW_SECONDS = 0.2
CHUNK = 65536


def _reset(*ends: socket.socket) -> None:
    """Close connections without a farewell."""
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RDWR)
        end.close()


class Proxy:
    """Passes bytes on between its own port and another one of loopback."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self._passing = threading.Event()
        self._passing.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._breaks = False
        self._loses_answers = False
        self._delay_seconds = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Keep every connection open, take new ones, and pass nothing on."""
        self._passing.clear()
        try:
            yield
        finally:
            self._passing.set()

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Reset every connection, and each new one."""
        self._breaks = True
        for pair in self._pairs:
            _reset(*pair)
        try:
            yield
        finally:
            self._breaks = False

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        """Pass what is asked on; reset the connection where an answer comes back."""
        self._loses_answers = True
        try:
            yield
        finally:
            self._loses_answers = False

    @contextmanager
    def slow(self) -> Iterator[None]:
        self._delay_seconds = SLOW_SECONDS
        try:
            yield
        finally:
            self._delay_seconds = 0.0

    def close(self) -> None:
        _reset(self._listening)
        self._passing.set()
        for pair in self._pairs:
            _reset(*pair)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                if self._breaks:
                    _reset(client)
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pairs.append((client, server))
                for source, sink, is_answer in ((client, server, False), (server, client, True)):
                    pump = (source, sink, is_answer)
                    threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._passing.wait()
                if is_answer and self._loses_answers:
                    break
                if is_answer and self._delay_seconds:
                    time.sleep(self._delay_seconds)
                sink.sendall(data)
        _reset(source, sink)


@contextmanager
def proxy_to(database_url: str) -> Iterator[tuple[Proxy, str]]:
    """Give a proxy, and the URL of the database through it."""
    url = make_url(database_url)
    assert url.port is not None
    proxy = Proxy(url.port)
    try:
        yield proxy, url.set(port=proxy.port).render_as_string(hide_password=False)
    finally:
        proxy.close()


def hang(proxy: Proxy) -> None:
    with proxy.hung():
        time.sleep(HUNG_SECONDS)


def cut(proxy: Proxy) -> None:
    with proxy.broken():
        time.sleep(BROKEN_SECONDS)


def lose_answers(proxy: Proxy) -> None:
    with proxy.losing_answers():
        time.sleep(BROKEN_SECONDS)


def slow_down(proxy: Proxy) -> None:
    with proxy.slow():
        time.sleep(BROKEN_SECONDS)


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "hang": hang,
    "cut": cut,
    "lose_answers": lose_answers,
    "slow_down": slow_down,
}
