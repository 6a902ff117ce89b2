"""A flood of bad requests does not flood the log, and every request is counted."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

import tcs_events.watch.log_lines
from tcs_events.errors import RateLimited, StoreUnavailable
from tcs_events.event import Outcome
from tcs_events.event_types.event_type import declared
from tcs_events.event_types.schemas import event_schema
from tcs_events.intake.collector import Collector
from tcs_events.intake.intake import Intake
from tcs_events.intake.reader import Reader
from tcs_events.watch.counters import Counters
from tcs_events.watch.log_lines import LINES_PER_SECOND, LogLines, log_lines

REQUESTS = 100_000
BYTES_PER_REQUEST = 300
SENDER = {"REMOTE_ADDR": "192.0.2.1"}
GOOD = b'{"event_type": "card_click", "session_id": "visitor-1"}'
BAD = [
    b"{",
    b"x" * 70_000,
    b'{"event_type": "nonsense", "session_id": "canary"}',
    b'{"event_type": "' + b"\\u001b" * 1000 + b'", "session_id": "", "payload": 1, "age_ms": -1}',
]


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tcs_events.watch.log_lines, "monotonic", clock)
    return clock


class Failing:
    """A store that always fails."""

    def append(self, records: Any, size_bytes: int = 0) -> Any:
        raise StoreUnavailable("OperationalError")


class Limited:
    """Limits that are always exceeded."""

    def check_client(self, address: str, events: int) -> None:
        raise RateLimited("client", 3)

    def check_sessions(self, events: Any) -> None: ...


def collector(counters: Counters, **options: Any) -> Collector:
    reader = Reader(event_schema(declared({"card_click": None}, {})))
    events = Intake(reader.event, Failing(), counters, **options)
    return Collector(reader, events, events, 500, counters)


@pytest.mark.proof
def test_a_hundred_thousand_bad_requests_are_counted_and_not_all_logged(clock: Clock) -> None:
    out, counters = io.StringIO(), Counters()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(out))
    collect = collector(counters)
    for number in range(REQUESTS):
        clock.now += 0.0005
        bad = BAD[number % len(BAD)]
        answer = collect.collect(bad, SENDER)
        assert answer.status == 422
    written = out.getvalue()
    assert counters.counted().outcomes.keys() <= {
        (Outcome.INVALID, why) for why in ("schema", "event_type", "payload", "session_id")
    }
    assert sum(counters.counted().outcomes.values()) == counters.counted().received == REQUESTS
    lines = written.splitlines()
    seconds = REQUESTS * 0.0005
    assert len(lines) <= (LINES_PER_SECOND + 1) * (seconds + 1)
    assert len(written) <= BYTES_PER_REQUEST * len(lines)
    assert "canary" not in written


def test_at_a_low_rate_every_refused_request_is_one_short_line(clock: Clock) -> None:
    out = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(out))
    collect = collector(Counters())
    for number in range(1000):
        clock.now += 0.03
        collect.collect(BAD[number % len(BAD)], SENDER)
    assert len(out.getvalue().splitlines()) == 1000
    assert len(out.getvalue()) <= BYTES_PER_REQUEST * 1000


def test_lines_that_are_left_out_are_said_to_be_so(clock: Clock) -> None:
    collect = collector(Counters(), limits=Limited())
    with capture_logs() as logs:
        for _ in range(LINES_PER_SECOND + 7):
            collect.collect(GOOD, SENDER)
        clock.now += 1
        collect.collect(GOOD, SENDER)
    names = [entry["event"] for entry in logs]
    assert names.count("tcs_events.event_limited") == LINES_PER_SECOND + 1
    assert logs[-2] == {
        "event": "tcs_events.log_lines_left_out",
        "count": 7,
        "log_level": "warning",
    }


def test_what_is_wrong_with_the_store_is_said_once_a_second(clock: Clock) -> None:
    collect = collector(Counters())
    with capture_logs() as logs:
        for _ in range(20):
            collect.collect(GOOD, SENDER)
            clock.now += 0.25
    names = [entry["event"] for entry in logs]
    assert names.count("tcs_events.store_unavailable") == 5
    assert names.count("tcs_events.event_failed") == 20


def test_a_failed_batch_is_one_line_however_many_events_it_holds(clock: Clock) -> None:
    with capture_logs() as logs:
        events = b", ".join([GOOD] * 100)
        collector(Counters()).collect_batch(b'{"events": [' + events + b"]}", SENDER)
    assert [entry["event"] for entry in logs] == [
        "tcs_events.store_unavailable",
        "tcs_events.event_failed",
    ]
    assert logs[-1]["events"] == 100


def test_a_flood_of_batches_of_which_nothing_is_taken_is_bounded_too(clock: Clock) -> None:
    collect = collector(Counters())
    with capture_logs() as logs:
        for _ in range(LINES_PER_SECOND * 3):
            collect.collect_batch(b'{"events": [{}]}', SENDER)
    assert len(logs) == LINES_PER_SECOND


def test_what_a_flood_left_out_is_said_also_where_no_request_follows(clock: Clock) -> None:
    lines = LogLines()
    for _ in range(LINES_PER_SECOND + 2):
        lines.allows("event_invalid")
    clock.now += 1
    with capture_logs() as logs:
        lines.settle()
        lines.settle()
    assert [entry["count"] for entry in logs] == [2]


def test_a_child_is_not_held_up_by_a_lock_of_its_parent() -> None:
    log_lines._lock.acquire()
    child = os.fork()
    if child == 0:
        os._exit(0 if log_lines._lock.acquire(timeout=60) else 1)
    log_lines._lock.release()
    assert os.waitpid(child, 0)[1] == 0
