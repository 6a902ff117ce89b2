"""Prometheus metrics of the events. They need `tcs-events[prometheus]`.

    app.register_blueprint(events_bp)
    register_metrics(app)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})

The counts of a process are read when Prometheus asks, so an event costs nothing more. The
multiprocess mode of prometheus_client (`PROMETHEUS_MULTIPROC_DIR`) does not allow that: there the
metrics are files that all processes write, so every request writes to them. The table of counters
cannot replace the files: it has no durations, requests, notes or queue. It also has the events of
all machines, so a sum over the machines would count each event once for every machine.
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

EVENTS = "tcs_events_events", "Events by outcome and reason."
REQUESTS = "tcs_events_requests", "Requests with events."
DURATION = "tcs_events_request_duration_seconds", "The duration of requests with events."
QUEUE = "tcs_events_queue_events", "Events that are waiting for the database."
NOTES = "tcs_events_notes", "Other counts, such as refused events that were kept."
LABELS = ("outcome", "reason")
BUCKETS = tuple(bound / 1000 for bound in LATENCY_BOUNDS_MS)
"""Upper bounds in seconds, the base unit of Prometheus."""


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
            "register_metrics needs the blueprint: call app.register_blueprint(events_bp) first."
        )
    registration = registration_of(app)
    if is_multiprocess():
        registration.counters.mirror = _Mirror(registration)
        return
    try:
        registry.register(_Reader(registration))
    except ValueError:
        raise ConfigError(
            "This registry already has the metrics of tcs_events. Give each app its own registry:"
            " register_metrics(app, registry=CollectorRegistry())."
        ) from None


def is_multiprocess() -> bool:
    """Return whether prometheus_client keeps its metrics in files that all processes write."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


def _queued(registration: Registration) -> int:
    store = registration.opened_store
    return store.state().waiting_events if store is not None else 0


class _Reader:
    """A collector that reads the counts when Prometheus asks."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def collect(self) -> Iterator[Metric]:
        counts = self._registration.counters.counted()
        events = CounterMetricFamily(*EVENTS, labels=LABELS)
        for (outcome, reason), number in counts.outcomes.items():
            events.add_metric([outcome, reason], number)
        yield events
        notes = CounterMetricFamily(*NOTES, labels=["note"])
        for name, number in counts.notes.items():
            notes.add_metric([name], number)
        yield notes
        yield CounterMetricFamily(*REQUESTS, value=counts.requests)
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        up_to = [float(requests) for requests in accumulate(counts.latency)]
        buckets = list(zip(bounds, up_to, strict=True))
        yield HistogramMetricFamily(*DURATION, buckets=buckets, sum_value=counts.latency_seconds)
        yield GaugeMetricFamily(*QUEUE, value=_queued(self._registration))

    describe = collect  # By these names a registry refuses a second collector of the same metrics.


class _Files:
    """The metrics that prometheus_client keeps in files. A process may make each only once."""

    def __init__(self) -> None:
        # registry=None: a registry with a MultiProcessCollector would show them twice.
        self.events = Counter(*EVENTS, LABELS, registry=None)
        self.notes = Counter(*NOTES, ["note"], registry=None)
        self.requests = Counter(*REQUESTS, registry=None)
        self.duration = Histogram(*DURATION, buckets=BUCKETS, registry=None)
        self.queue = Gauge(*QUEUE, registry=None, multiprocess_mode="livesum")
        self._counters: dict[tuple[str, str], Any] = {}

    def count(self, outcome: str, reason: str, events: int) -> None:
        counter = self._counters.get((outcome, reason))
        if counter is None:
            counter = self.events.labels(outcome, reason)
            self._counters[outcome, reason] = counter
        counter.inc(events)


_files = cache(_Files)


class _Mirror:
    """Adds every request to the files."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        with _failures_ignored():
            files = _files()
            for outcome, reason, events in ended:
                files.count(outcome, reason, events)
            files.requests.inc()
            files.duration.observe(seconds)
            files.queue.set(_queued(self._registration))

    def note(self, name: str, number: int) -> None:
        with _failures_ignored():
            _files().notes.labels(name).inc(number)


def _failures_ignored() -> suppress:
    """Ignore a full disk or a missing folder: metrics must not change the answer to an event."""
    return suppress(OSError, ValueError)
