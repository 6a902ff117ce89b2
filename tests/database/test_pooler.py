"""A pooler is told from a server by each driver, in each of its modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, make_url

from tcs_events.database.pooler import is_pooled
from tests.drivers import POSTGRES_DRIVERS, at_port, with_driver
from tests.pgbouncer import pgbouncer
from tests.support import need_module


@pytest.fixture(scope="module", params=["transaction", "session", "statement"])
def port(request: pytest.FixtureRequest, postgres_server_url: str) -> Iterator[int]:
    """The port of a PgBouncer in one of its modes."""
    with pgbouncer(postgres_server_url, request.param) as port:
        yield port


@pytest.fixture(params=POSTGRES_DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    need_module(request.param)
    driver: str = request.param
    return driver


def ask(url: str) -> bool:
    """Return whether a new connection of the driver goes through a pooler."""
    # Without SQLAlchemy's transactions, which a PgBouncer in statement mode refuses.
    engine = create_engine(url, poolclass=NullPool)
    arguments, options = engine.dialect.create_connect_args(make_url(url))
    connection: Any = engine.dialect.connect(*arguments, **options)
    try:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
        return is_pooled(connection, pid)
    finally:
        connection.close()


def test_a_pooler_is_recognised(postgres_server_url: str, driver: str, port: int) -> None:
    assert ask(at_port(with_driver(postgres_server_url, driver), port))


def test_a_server_is_no_pooler(postgres_server_url: str, driver: str) -> None:
    assert not ask(with_driver(postgres_server_url, driver))


def test_an_unknown_driver_is_taken_for_a_pooler() -> None:
    assert is_pooled(object(), 1)
