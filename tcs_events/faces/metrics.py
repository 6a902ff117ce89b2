"""What became of the events, as Prometheus metrics: `tcs-events[prometheus]`.

    app.register_blueprint(events_bp)
    register_metrics(app)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})

In one process the counts are read when Prometheus asks, and an event costs nothing more. In the
multiprocess mode of prometheus_client (`PROMETHEUS_MULTIPROC_DIR`) that is not possible: there the
metrics are files that all processes write, so every request is written into them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from flask import Flask

from tcs_events.errors import ConfigError
from tcs_events.host import EXTENSION_KEY, Registration, registration_of
from tcs_events.watch.counters import LATENCY_BOUNDS_MS, Ended

try:
    from prometheus_client import REGISTRY, Counter, Gauge, Histogram
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
except ImportError:
    raise ImportError(
        "tcs_events.prometheus needs prometheus-client: pip install 'tcs-events[prometheus]'"
    ) from None

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

EVENTS = "tcs_events_events", "Events by how they ended, and why."
REQUESTS = "tcs_events_requests", "Requests that brought events."
DURATION = "tcs_events_request_duration_seconds", "How long these requests took."
QUEUE = "tcs_events_queue_events", "Events that wait for the database."
NOTES = "tcs_events_notes", "What else was counted: limits that did not work, refused events kept."
LABELS = ("outcome", "reason")
BUCKETS = tuple(bound / 1000 for bound in LATENCY_BOUNDS_MS)
"""In seconds, as Prometheus has it."""


def register_metrics(app: Flask, registry: CollectorRegistry = REGISTRY) -> None:
    """Add the counts of an app to the metrics of a registry.

    In multiprocess mode the registry is not used: a `MultiProcessCollector` collects the counts,
    those of all apps of the process together.

    Raises:
        ConfigError: the app has not registered the blueprint, or the registry already has metrics
            of these names.
    """
    if EXTENSION_KEY not in app.extensions:
        raise ConfigError(
            "register_metrics needs the blueprint: call app.register_blueprint(events_bp) before."
        )
    registration = registration_of(app)
    if is_multiprocess():
        registration.counters.mirror = _Mirror(registration)
        return
    try:
        registry.register(_Reader(registration))
    except ValueError:
        raise ConfigError(
            "This registry has the metrics of tcs_events already. Give each app one of its own:"
            " register_metrics(app, registry=CollectorRegistry())."
        ) from None


def is_multiprocess() -> bool:
    """Return whether prometheus_client keeps its metrics in files that all processes write."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


def _queued(registration: Registration) -> int:
    store = registration.opened_store
    return store.state().waiting_events if store is not None else 0


class _Reader:
    """Reads the counts when it is asked."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def collect(self) -> Iterator[Metric]:
        counted = self._registration.counters.counted()
        events = CounterMetricFamily(*EVENTS, labels=LABELS)
        for (outcome, reason), number in counted.outcomes.items():
            events.add_metric([outcome, reason], number)
        yield events
        notes = CounterMetricFamily(*NOTES, labels=["note"])
        for name, number in counted.notes.items():
            notes.add_metric([name], number)
        yield notes
        yield CounterMetricFamily(*REQUESTS, value=counted.requests)
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        up_to = [float(requests) for requests in accumulate(counted.latency)]
        buckets = list(zip(bounds, up_to, strict=True))
        yield HistogramMetricFamily(*DURATION, buckets=buckets, sum_value=counted.latency_seconds)
        yield GaugeMetricFamily(*QUEUE, value=_queued(self._registration))

    describe = collect  # by which a registry knows that it has them already


class _Files:
    """The metrics that prometheus_client keeps in files: one of each in a process."""

    def __init__(self) -> None:
        # In no registry: one with a MultiProcessCollector would show them twice.
        self.events = Counter(*EVENTS, LABELS, registry=None)
        self.notes = Counter(*NOTES, ["note"], registry=None)
        self.requests = Counter(*REQUESTS, registry=None)
        self.duration = Histogram(*DURATION, buckets=BUCKETS, registry=None)
        self.queue = Gauge(*QUEUE, registry=None, multiprocess_mode="livesum")
        self.of: dict[tuple[str, str], Any] = {}

    def count(self, outcome: str, reason: str, events: int) -> None:
        counter = self.of.get((outcome, reason))
        if counter is None:
            counter = self.of[outcome, reason] = self.events.labels(outcome, reason)
        counter.inc(events)


_files = cache(_Files)


class _Mirror:
    """Writes every request into the files."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        with _tolerance():
            files = _files()
            for outcome, reason, events in ended:
                files.count(outcome, reason, events)
            files.requests.inc()
            files.duration.observe(seconds)
            files.queue.set(_queued(self._registration))

    def note(self, name: str, number: int) -> None:
        with _tolerance():
            _files().notes.labels(name).inc(number)


def _tolerance() -> suppress:
    """Let a disk be full, or a folder be gone: the answer to the event is another matter."""
    return suppress(OSError, ValueError)
