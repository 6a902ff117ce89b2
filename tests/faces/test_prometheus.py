"""Prometheus gets the counts of events, from one process and from several."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic

import pytest
from flask import Flask

pytest.importorskip("prometheus_client", reason="needs pip install -e '.[test]'")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tcs_events import ConfigError
from tcs_events.prometheus import register_metrics
from tests.conftest import MakeHost
from tests.faults.servers import Server
from tests.support import URL, card_click, post

Samples = dict[tuple[str, str], float]
"""By the name of a sample and its labels, written one after the other."""


def samples(text: str) -> Samples:
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("tcs_events") and not sample.name.endswith("_created")
    }


def scraped(registry: CollectorRegistry) -> Samples:
    return samples(generate_latest(registry).decode())


@pytest.fixture
def registry(app: Flask) -> CollectorRegistry:
    registry = CollectorRegistry()
    register_metrics(app, registry)
    return registry


def test_what_is_no_outcome_of_an_event_is_among_them(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_KEEP_REJECTED=10)
    registry = CollectorRegistry()
    register_metrics(app, registry)
    post(app, event_type="nonsense")
    assert scraped(registry)["tcs_events_notes_total", "rejections_kept"] == 1


def test_the_metrics_are_what_was_counted(app: Flask, registry: CollectorRegistry) -> None:
    client = app.test_client()
    post(client)
    post(client, event_type="nonsense")
    client.post(f"{URL}/batch", json={"events": [card_click(), card_click(), {}]})
    found = scraped(registry)
    assert found["tcs_events_events_total", "accepted "] == 3
    assert found["tcs_events_events_total", "invalid event_type"] == 2
    assert found["tcs_events_requests_total", ""] == 3
    assert found["tcs_events_request_duration_seconds_bucket", "+Inf"] == 3
    assert found["tcs_events_request_duration_seconds_count", ""] == 3
    assert found["tcs_events_request_duration_seconds_sum", ""] > 0
    assert found["tcs_events_queue_events", ""] == 0


def test_the_buckets_are_seconds_and_only_grow(app: Flask, registry: CollectorRegistry) -> None:
    counters = app.extensions["tcs_events"].counters
    for seconds in (0.0005, 0.004, 0.004, 1.5, 60.0):
        counters.end([], seconds)
    name = "tcs_events_request_duration_seconds_bucket"
    found = {le: value for (sample, le), value in scraped(registry).items() if sample == name}
    assert found == {
        "0.001": 1,
        "0.002": 1,
        "0.005": 3,
        "0.01": 3,
        "0.02": 3,
        "0.05": 3,
        "0.1": 3,
        "0.2": 3,
        "0.5": 3,
        "1.0": 3,
        "2.0": 4,
        "+Inf": 5,
    }


def test_a_registry_takes_one_app(make_host: MakeHost, sqlite_url: str) -> None:
    registry = CollectorRegistry()
    register_metrics(make_host(sqlite_url), registry)
    with pytest.raises(ConfigError, match=r"register_metrics\(app, registry=CollectorRegistry"):
        register_metrics(make_host(sqlite_url), registry)


def test_the_blueprint_comes_first() -> None:
    with pytest.raises(ConfigError, match=r"call app.register_blueprint\(events_bp\) first"):
        register_metrics(Flask("host"), CollectorRegistry())


def test_without_the_package_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['prometheus_client'] = None; import tcs_events.prometheus"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.splitlines()[-1] == (
        "ImportError: tcs_events.prometheus needs prometheus-client:"
        " pip install 'tcs-events[prometheus]'"
    )


def send(port: int, body: object, path: str = "") -> None:
    data = json.dumps(body).encode()
    # A connection of its own each time, so that every process gets some.
    request = urllib.request.Request(f"http://127.0.0.1:{port}{URL}{path}", data)
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as refused:
        refused.close()


def scrape(port: int) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return samples(answer.read().decode())


@pytest.mark.usefixtures("patient_servers")
@pytest.mark.parametrize(
    ("kind", "is_multiprocess"),
    [
        ("gunicorn-gthread", True),
        ("gunicorn-preload", True),
        ("gunicorn-gthread-1", False),
    ],
)
def test_a_scrape_of_a_server_has_all_that_was_sent(
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    is_multiprocess: bool,
) -> None:
    if is_multiprocess:
        (tmp_path / "metrics").mkdir()
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))
    workers = 2 if is_multiprocess else 0

    def writers() -> list[Path]:
        return list((tmp_path / "metrics").glob("counter_*.db"))

    keeping = {"TCS_EVENTS_KEEP_REJECTED": 10_000}
    with Server(
        sqlite_url, tmp_path / "log", kind=kind, face="measured", settings=keeping
    ) as server:
        rounds, deadline = 0, monotonic() + 120
        # Until each worker has answered: on a busy machine the second one is long in coming.
        while rounds < 20 or (len(writers()) < workers and monotonic() < deadline):
            for changes in ({"session_id": ""}, {}, {}):
                send(server.port, card_click(**changes))
            rounds += 1
        send(server.port, {"events": [card_click(), {}]}, "/batch")
        found = scrape(server.port)
        server.stop()
    assert len(writers()) == workers
    assert (
        sum(count for (name, _), count in found.items() if name == "tcs_events_notes_total")
        == rounds + 1
    )
    requests = 3 * rounds + 1
    assert found == found | {
        ("tcs_events_events_total", "accepted "): 2 * rounds + 1,
        ("tcs_events_events_total", "invalid session_id"): rounds,
        ("tcs_events_events_total", "invalid event_type"): 1,
        ("tcs_events_requests_total", ""): requests,
        ("tcs_events_request_duration_seconds_bucket", "+Inf"): requests,
        ("tcs_events_request_duration_seconds_count", ""): requests,
        ("tcs_events_queue_events", ""): 0,
    }


def test_a_folder_that_is_gone_breaks_no_request(
    make_host: MakeHost, sqlite_url: str, tmp_path: Path
) -> None:
    code = (
        "import os, shutil; from tests.faults import good_hosts;"
        f"os.environ['PROMETHEUS_MULTIPROC_DIR'] = {str(tmp_path / 'metrics')!r};"
        f"app = good_hosts.measured({sqlite_url!r}); client = app.test_client();"
        "app.wsgi_app = app.wsgi_app.app;"  # without the page of the metrics
        "event = {'event_type': 'card_click', 'session_id': 's'};"
        "print([client.post('/api/events', json=event).status_code for _ in range(2)][1])"
    )
    make_host(sqlite_url)
    (tmp_path / "metrics").mkdir()
    code = code.replace("client = ", f"shutil.rmtree({str(tmp_path / 'metrics')!r}); client = ")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "202", result.stderr
