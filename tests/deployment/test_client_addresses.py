"""Whom the limit counts behind nginx: the address that nginx has seen, whatever a client claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.servers import App, gunicorn, nginx
from tests.deployment.wire import connect, events_body, read_answers, request


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[App]:
    settings = {"TCS_EVENTS_CLIENT_LIMIT": "3/hour"}
    with gunicorn(tmp_path, proxied=True, **settings) as app, nginx(tmp_path, app) as front:
        yield front


def statuses(app: App, source: str, posts: int) -> list[int]:
    answered = []
    for number in range(posts):
        claimed = (f"X-Forwarded-For: 203.0.113.{number}", "Connection: close")
        with connect(app.port, source) as client:
            client.sendall(request(body=events_body(), headers=claimed))
            answered += read_answers(client).statuses
    return answered


def test_each_client_has_its_limit_and_no_header_helps(limited: App) -> None:
    assert statuses(limited, "127.0.0.1", 5) == [202, 202, 202, 429, 429]
    assert statuses(limited, "127.0.0.2", 5) == [202, 202, 202, 429, 429]
