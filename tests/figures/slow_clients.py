"""F12: how long a visitor waits beside 200 stalled connections, behind the documented nginx.

The control is the same gunicorn, of 4 threads, with nothing in front of it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.deployment.servers import App, gunicorn, nginx
from tests.deployment.stalled import good_requests, stalled
from tests.figures.figure import Row

STALLED = 200
SETTLE_SECONDS = 3
"""The stalled connections are set up by then; after 10 seconds nginx hangs up on them."""
BOUND_SECONDS = 12
MAX_RATIO = 2.0


def times_of_others(requests: int) -> list[Row]:
    """Ask so often beside stalled connections, and as often without any."""
    at_once = min(400, requests)
    idle: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as folder, gunicorn(Path(folder)) as direct:
        with nginx(Path(folder), direct) as front:
            for _ in range(requests // at_once):  # in turns: a busy machine is busy for both
                idle += _milliseconds(front, at_once, 0)
                beside += _milliseconds(front, at_once, STALLED)
        answered, waited = _direct(direct)
    ratio = _p99(beside) / _p99(idle)
    return [
        Row(
            "behind the documented nginx",
            f"{ratio:.1f} times ({_p99(beside):.0f} ms, idle {_p99(idle):.0f} ms);"
            f" {len(beside):,} requests each, all answered 202",
            ratio <= MAX_RATIO,
            f"straight at gunicorn with 4 threads: {answered} of 4 answered in {waited:.0f} s",
            answered < 4,
        )
    ]


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
