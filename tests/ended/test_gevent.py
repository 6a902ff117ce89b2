"""A real gevent worker whose host gives each request a time limit of its own."""

from __future__ import annotations

import http.client
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, text

from tests.faults.servers import Server
from tests.support import URL, card_click

REQUESTS = 12


def post(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", URL, json.dumps(card_click(event_id=str(uuid4()))))
    status = connection.getresponse().status
    connection.close()
    return status


def test_requests_ended_by_gevent_while_the_database_is_locked_take_nothing_with_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    kind = "gunicorn-gevent-1"
    with Server(sqlite_url, tmp_path / "log", kind=kind, face="ends_requests") as server:
        assert post(server.port) == 202
        other = sqlite3.connect(tmp_path / "host.db", isolation_level=None)
        rounds_with_ended = 0
        with ThreadPoolExecutor(REQUESTS) as pool:
            # On a busy machine ours may come in a round before the limit of the host is over.
            for _ in range(20):
                other.execute("BEGIN IMMEDIATE")
                answers = list(pool.map(post, [server.port] * REQUESTS))
                other.execute("COMMIT")
                assert set(answers) <= {503, 504}
                rounds_with_ended += 504 in answers  # the host's own answer to what it has ended
                if rounds_with_ended == 3:
                    break
        assert rounds_with_ended
        other.close()
        assert [post(server.port) for _ in range(5)] == [202] * 5
        health = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        health.request("GET", f"{URL}/health")
        counts = json.loads(health.getresponse().read())
        health.close()
    assert counts["queue"] == {"events": 0, "bytes": 0}
    assert counts["received"] == sum(counts["events"].values())
    with create_engine(sqlite_url).connect() as connection:
        rows = connection.scalar(text("SELECT count(*) FROM user_events"))
    assert rows is not None
    assert rows >= 6
