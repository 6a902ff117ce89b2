"""F10: bodies made to cost as much as the limits let them, and what one costs."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from statistics import median

from tests.faults.databases import folder
from tests.faults.progress import Progress
from tests.faults.servers import Server
from tests.figures.figure import Row
from tests.support import URL, card_click

LIMIT_BYTES = 64 << 10
NO_LIMIT = {"TCS_EVENTS_MAX_BODY_BYTES": 64 << 20}
NO_LIMIT_BYTES = 4 << 20
CONTROL_REQUESTS = 5
MAX_KIB = 3 << 10
MAX_MS = 20.0
BATCH = f"{URL}/batch"
MAX_BATCH_EVENTS = 50
GOOD_EVENT = json.dumps(
    card_click(payload={name: name * 100 for name in "abcdefghij"}, email="ada@example.com")
)


def _around(fill: Callable[[int], str], size: int) -> bytes:
    """Return an event whose payload has as much of something as there is room for."""
    envelope = json.dumps(card_click(payload={"v": "@"}))
    before, after = envelope.split('"@"')
    return f"{before}{fill(size - len(before) - len(after))}{after}".encode()


def _repeated(item: str, open_: str = "[", close: str = "]") -> Callable[[int], str]:
    def fill(room: int) -> str:
        count = (room - 2 - len(item)) // (len(item) + 1)
        return open_ + f"{item}," * count + item + close

    return fill


def _keys(room: int) -> str:
    return "{" + ",".join(f'"{n:06x}":0' for n in range((room - 2) // 11)) + "}"


def _chains(depth: int) -> Callable[[int], str]:
    """Objects in objects, as deep as they may be, and as many as there is room for."""
    chain = '{"a":' * depth + "0" + "}" * depth

    def fill(room: int) -> str:
        return "[" + ",".join([chain] * ((room - 2) // (len(chain) + 1))) + "]"

    return fill


def _short_keys(room: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    names = ("".join(name) for name in product(letters, repeat=3))
    return "{" + ",".join(f'"{name}":0' for name in islice(names, (room - 2) // 8)) + "}"


def _batch(item: str) -> Callable[[int], bytes]:
    def body(size: int) -> bytes:
        room = size - len('{"events":[]}')
        count = min(MAX_BATCH_EVENTS, (room + 1) // (len(item) + 1))
        return ('{"events":[' + ",".join([item] * count) + "]}").encode()

    return body


def _event(fill: Callable[[int], str]) -> Callable[[int], bytes]:
    return lambda size: _around(fill, size)


BODIES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "lists in lists": (URL, _event(lambda room: "[" * (room // 2) + "]" * (room // 2))),
    "objects in objects": (
        URL,
        _event(lambda room: '{"a":' * (room // 6) + "0" + "}" * (room // 6)),
    ),
    "many keys": (URL, _event(_keys)),
    "many deep objects": (URL, _event(_chains(28))),
    "many objects of one key": (URL, _event(_chains(1))),
    "many short texts": (URL, _event(_repeated('"ab"'))),
    "many short keys": (URL, _event(lambda room: _short_keys(room))),
    "lists of one": (URL, _event(_repeated("[0.5]"))),
    "objects whose texts are looked at": (URL, _event(_repeated(r'{"\u0061":{}}'))),
    "many empty lists": (URL, _event(_repeated("[]"))),
    "many empty objects": (URL, _event(_repeated("{}"))),
    "a long text": (URL, _event(lambda room: '"' + "x" * (room - 2) + '"')),
    "a long text of escapes": (URL, _event(lambda room: '"' + r"\u00e9" * ((room - 2) // 6) + '"')),
    "half surrogates": (URL, _event(lambda room: '"' + r"\ud800" * ((room - 2) // 6) + '"')),
    "many integers": (URL, _event(_repeated("9007199254740991"))),
    "integers of 4,300 digits": (URL, _event(_repeated("9" * 4300))),
    "one integer": (URL, _event(lambda room: "9" * room)),
    "many fractions": (URL, _event(_repeated("0.1234567890123456789"))),
    "repeated keys": (URL, _event(_repeated('"k":{}', "{", "}"))),
    "no JSON": (URL, lambda size: b"x" * size),
    "gzip of 60 MB": (URL, lambda size: gzip.compress(bytes(size * 1000))[:size]),
    "a batch of good events": (BATCH, _batch(GOOD_EVENT)),
    "a batch of bad events": (BATCH, _batch('{"session_id":0,"email":0,"payload":0,"age_ms":"x"}')),
    "a batch of no events": (BATCH, _batch("0")),
}


@dataclass(frozen=True)
class Cost:
    kib: float
    """What the peak of memory grew by over that of ordinary requests."""
    ms: float
    """CPU time of the server."""
    status: int


class Watched:
    """The one worker of a server, as the kernel counts it."""

    def __init__(self, server: Server) -> None:
        [pid] = server.workers()
        self._proc = Path(f"/proc/{pid}")
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def post(self, url: str, body: bytes, encoding: str = "") -> int:
        headers = {"Content-Type": "application/json"}
        headers |= {"Content-Encoding": encoding} if encoding else {}
        try:
            self._connection.request("POST", url, body, headers)
            response = self._connection.getresponse()
            response.read()
        except OSError:  # refused by its headers, and hung up on in the middle of the body
            self._connection.close()
            return 0
        return response.status

    def cost(self, url: str, body: bytes, requests: int, encoding: str = "") -> Cost:
        """Return what one request costs: memory of the first one, the median of their CPU time.

        What the first one has taken is kept by the process, and serves the next: of those nothing
        can be seen but the pages that the database keeps.
        """
        for _ in range(20):
            self.post(URL, json.dumps(card_click()).encode())
            self.post(BATCH, json.dumps({"events": [card_click(), {}]}).encode())
        before = self._kib("VmRSS")
        (self._proc / "clear_refs").write_text("5")  # the peak is counted anew
        spent, grown = [], 0
        for _ in range(requests):
            started = self._cpu_ms()
            status = self.post(url, body, encoding)
            spent.append(self._cpu_ms() - started)
            grown = grown or max(0, self._kib("VmHWM") - before)
        return Cost(grown, median(spent), status)

    def _kib(self, name: str) -> int:
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    def _cpu_ms(self) -> float:
        time.sleep(0.002)  # what follows an answer is of its request, too
        tasks = (self._proc / "task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def measure(
    requests: int, size: int, settings: dict[str, object], progress: Progress
) -> dict[str, Cost]:
    """Return the cost of each body at a size, each in a server of its own."""
    costs = {}
    for name, (url, make) in BODIES.items():
        with folder() as home:
            server = Server(
                f"sqlite:///{home}/host.db",
                home / "server.log",
                kind="gunicorn-gthread-1",
                settings=settings,
            )
            with server:
                encoding = "gzip" if name.startswith("gzip") else ""
                costs[name] = Watched(server).cost(url, make(size), requests, encoding)
        cost = costs[name]
        progress.round_done(
            body=name, size=size, kib=f"{cost.kib:.0f}", ms=f"{cost.ms:.2f}", status=cost.status
        )
    return costs


def costs(requests: int) -> list[Row]:
    progress = Progress(2 * len(BODIES))
    limited = measure(requests, LIMIT_BYTES, {}, progress)
    unlimited = measure(CONTROL_REQUESTS, NO_LIMIT_BYTES, dict(NO_LIMIT), progress)
    memory = max(limited, key=lambda name: limited[name].kib)
    time_ = max(limited, key=lambda name: limited[name].ms)
    control_kib = max(cost.kib for cost in unlimited.values())
    control_ms = max(cost.ms for cost in unlimited.values())
    errors = sum(cost.status >= 500 for cost in limited.values())
    of_all = f"the worst of {len(limited)} kinds of 64 KiB, {requests} requests of each"
    return [
        Row(
            "memory, SQLite",
            f"{limited[memory].kib / 1024:.1f} MiB ({memory});"
            f" the first of {len(limited)} kinds of 64 KiB; {errors} times 5xx",
            limited[memory].kib <= MAX_KIB and not errors,
            f"4 MiB let in: {control_kib / 1024:.0f} MiB",
            control_kib > MAX_KIB,
        ),
        Row(
            "CPU, SQLite",
            f"{limited[time_].ms:.1f} ms ({time_}); {of_all}",
            limited[time_].ms <= MAX_MS,
            f"4 MiB let in: {control_ms:.0f} ms",
            control_ms > MAX_MS,
        ),
    ]
