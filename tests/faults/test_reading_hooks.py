"""A hook of the host that reads the body costs no event and no time, under any server."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.faults.good_hosts import READS
from tests.faults.servers import Server
from tests.support import URL, card_click

SECONDS = 60
"""Where nothing is wrong an answer takes milliseconds; where something is, it never comes."""
LABELS = ("text/plain;charset=UTF-8", "application/json", "application/x-www-form-urlencoded")
BODY = json.dumps(card_click()).encode()


def post(port: int, headers: dict[str, str], *, chunked: bool = False) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        body = iter([BODY[:20], BODY[20:]]) if chunked else BODY
        connection.request("POST", URL, body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["flask-run", "gunicorn-sync", "waitress", "granian"])
def test_the_event_is_stored_whatever_a_hook_reads(
    sqlite_url: str, tmp_path: Path, kind: str
) -> None:
    sent = 0
    with Server(sqlite_url, tmp_path / "server.log", kind=kind, face="reads_bodies") as server:
        for when in ("X-Read-Before", "X-Read-After"):
            for how in READS:
                for label in LABELS:
                    headers = {when: how, "Content-Type": label}
                    answer = post(server.port, headers)
                    assert answer == (202, b'{"status": "accepted"}'), (when, how, label)
                    sent += 1
        for how in set(READS) - {"wsgi.input"}:  # which has no length to read by
            headers = {"X-Read-Before": how, "Transfer-Encoding": "chunked"}
            assert post(server.port, headers, chunked=True)[0] == 202, how
            sent += 1
        engine = create_engine(sqlite_url)
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT payload FROM user_events")).scalars().all()
        engine.dispose()
    assert [json.loads(row) for row in rows] == [card_click()["payload"]] * sent
