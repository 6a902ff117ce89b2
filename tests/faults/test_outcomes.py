"""What servers of several processes have counted is what clients have sent."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine

from tcs_events.watch.tally import Day, read_days
from tests.faults.ledger import stored_rows
from tests.faults.servers import Server
from tests.support import URL, card_click
from tests.watch.test_tally import FIRST

CLIENTS, REQUESTS = 8, 40
SERVERS = [
    ("gunicorn-gthread", "view", "sqlite"),
    ("gunicorn-sync", "middleware", "postgresql"),
    ("gunicorn-preload", "middleware", "postgresql"),
    ("gunicorn-gevent", "middleware", "sqlite"),
    ("gunicorn-gevent-preload", "view", "postgresql"),
    ("gunicorn-gevent-preload", "middleware", "mariadb"),
    ("uwsgi", "view", "sqlite"),
    ("uwsgi-bare", "middleware", "postgresql"),
    ("uwsgi-threads", "middleware", "sqlite"),
    ("uwsgi", "middleware", "mariadb"),
]
"""Those whose workers end in order at SIGTERM; each has two or three of them."""


def load(server: Server, stop: threading.Event | None = None) -> Counter[str]:
    """Send events of all kinds from several clients; return how many of each were answered."""
    sent: Counter[str] = Counter()
    lock = threading.Lock()

    def visit(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for turn in range(10_000 if stop else REQUESTS):
            if stop and stop.is_set():
                break
            good, bad = card_click(), card_click(session_id="")
            path, body, its = [
                ("", good, {"accepted": 1}),
                ("", bad, {"invalid": 1}),
                ("/batch", {"events": [good, good, bad]}, {"accepted": 2, "invalid": 1}),
            ][(turn + number) % 3]
            with lock:
                sent["sent"] += sum(its.values())
            try:
                connection.request("POST", URL + path, json.dumps(body))
                status = connection.getresponse().read() and 1
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            if status:
                with lock:
                    sent.update(its)
        connection.close()

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    if stop:
        threading.Event().wait(1.5)
        server.kill()
        stop.set()
    for thread in threads:
        thread.join()
    return sent


def days(database_url: str) -> list[Day]:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        return read_days(connection, FIRST)


@pytest.mark.usefixtures("patient_servers")
@pytest.mark.parametrize(("kind", "face", "database_url"), SERVERS, indirect=["database_url"])
def test_after_a_clean_stop_the_table_has_exactly_what_was_sent(
    database_url: str, tmp_path: Path, kind: str, face: str
) -> None:
    with Server(database_url, tmp_path / "log", kind=kind, face=face) as server:
        sent = load(server)
        server.stop()
    assert sum(day.received for day in days(database_url)) == sent["sent"]
    ended: Counter[str] = Counter()
    for day in days(database_url):
        ended.update({name: events for name, events in day.events.items() if events})
    assert ended == {"accepted": sent["accepted"], "invalid": sent["invalid"]}
    assert sent["sent"] == sent["accepted"] + sent["invalid"]


@pytest.mark.usefixtures("patient_servers")
@pytest.mark.parametrize("kind", ["gunicorn-gevent-preload", "uwsgi-gevent"])
def test_workers_that_gevent_patches_after_the_app_was_made_store_all_events(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    with Server(database_url, tmp_path / "log", kind=kind) as server:
        sent = load(server)
        server.stop()
    assert sent["sent"] == sent["accepted"] + sent["invalid"]
    assert len(stored_rows(database_url)) == sent["accepted"]


def test_a_server_that_is_killed_has_never_counted_more_than_was_sent(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that much is written before: the environment of the server is ours.
    monkeypatch.setenv("TCS_EVENTS_TEST_TALLY_SECONDS", "0.1")
    sent: Counter[str] = Counter()
    with Server(database_url, tmp_path / "log", face="middleware") as server:
        for _ in range(3):
            if server._process is None:
                server.start()
            sent += load(server, threading.Event())
    received = sum(day.received for day in days(database_url))
    ended = sum(day.ended for day in days(database_url))
    assert 0 < ended <= received <= sent["sent"]
