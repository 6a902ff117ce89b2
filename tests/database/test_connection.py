"""A connection of our own is opened in time, or given up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest
from sqlalchemy import NullPool, create_engine

from tcs_events.database import connection
from tcs_events.database.connection import OwnConnection
from tcs_events.errors import StoreUnavailable
from tests.support import need_module, wait_until

Attempts = list[threading.Thread]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The port of a server that is stopped: the kernel accepts, and nobody answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(100)
        port: int = server.getsockname()[1]
        yield port


def connecting() -> Attempts:
    return [each for each in threading.enumerate() if each.name == "tcs_events connecting"]


@pytest.mark.real_limits
def test_attempts_that_never_end_do_not_pile_up(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_module("psycopg2")
    monkeypatch.setattr(connection, "ATTEMPT_MAX_SECONDS", 0.01)
    monkeypatch.setattr(connection, "MAX_GIVEN_UP", 3)
    url = f"postgresql+psycopg2://nobody@127.0.0.1:{silent_port}/nothing"
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 3})
    own, before = OwnConnection(engine, lambda driver: None), len(connecting())
    for _ in range(10):
        with pytest.raises(StoreUnavailable, match="ConnectTimeout"):
            own.get(monotonic() + 0.02)
    assert len(connecting()) - before == 4  # those that were given up, and the last one
    wait_until(lambda: len(connecting()) == before)
    with pytest.raises(Exception, match="timeout"):
        own.get(monotonic() + 10)
