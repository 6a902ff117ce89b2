"""F12: how long a visitor waits beside 200 stalled connections, behind the documented nginx.

The control is the same gunicorn, of 4 threads, with nothing in front of it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.deployment.servers import App, gunicorn, nginx
from tests.deployment.stalled import good_requests, stalled

STALLED = 200
SETTLE_SECONDS = 3
"""The stalled connections are set up by then; after 10 seconds nginx hangs up on them."""
BOUND_SECONDS = 12


def run(quick: bool) -> dict[str, str]:
    requests, rounds = (200, 1) if quick else (400, 5)
    idle: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as folder, gunicorn(Path(folder)) as direct:
        with nginx(Path(folder), direct) as front:
            for _ in range(rounds):  # in turns, so that a busy machine is busy for both
                idle += _milliseconds(front, requests, 0)
                beside += _milliseconds(front, requests, STALLED)
        answered, waited = _direct(direct)
    return {
        "figure": "F12",
        "what": f"99th percentile of a good request beside {STALLED} stalled connections (slow"
        " headers, bodies, reads), behind the documented nginx",
        "target": "at most 2 x idle",
        "measured": f"{_p99(beside):.0f} ms, idle {_p99(idle):.0f} ms:"
        f" {_p99(beside) / _p99(idle):.1f} x",
        "n": f"{len(beside):,} requests each, all answered 202",
        "control": f"straight at gunicorn with 4 threads: {answered} of 4 answered"
        f" in {waited:.0f} s",
    }


def _milliseconds(app: App, requests: int, connections: int) -> list[float]:
    with stalled(app.port, connections) as held:
        time.sleep(SETTLE_SECONDS if connections else 0)
        answers, milliseconds = good_requests(app.port, requests)
        if answers != [[202]] * requests:
            raise AssertionError("a good request was not answered 202")
        if held() != connections:
            raise AssertionError("a stalled connection was closed while we measured")
    return milliseconds


def _direct(app: App) -> tuple[int, float]:
    with stalled(app.port, STALLED):
        time.sleep(SETTLE_SECONDS)
        began = time.perf_counter()
        answers, _ = good_requests(app.port, 4, seconds=BOUND_SECONDS)
        return answers.count([202]), time.perf_counter() - began


def _p99(milliseconds: list[float]) -> float:
    return sorted(milliseconds)[int(len(milliseconds) * 0.99) - 1]
