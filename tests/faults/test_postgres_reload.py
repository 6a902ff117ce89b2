"""A server whose configuration changes under open connections: a standby, commits unsynced."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("psycopg", reason="needs psycopg: pip install -e '.[test]'")

from collections.abc import Iterator

from flask import Flask

from tests.conftest import MakeHost
from tests.faults.postgres import Postgres, running_postgres
from tests.support import URL, card_click, post, stored, wait_until


@pytest.fixture
def server() -> Iterator[Postgres]:
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture
def app(make_host: MakeHost, server: Postgres) -> Flask:
    app = make_host(server.url)
    assert post(app).status_code == 202
    return app


def show(app: Flask, name: str) -> set[str]:
    """Return a setting of the connections that events are written on."""
    committers = app.extensions["tcs_events"].store.committers
    open_ones = [one.own.driver for one in committers if one.own.is_open]
    assert open_ones
    return {driver.execute(f"SHOW {name}").fetchone()[0] for driver in open_ones}


def reload(server: Postgres, setting: str) -> None:
    with server.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")


def close(app: Flask) -> None:
    app.extensions["tcs_events"].store.close()
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()


def test_commits_stay_synced_where_the_server_stops_that_for_everybody(
    app: Flask, server: Postgres
) -> None:
    reload(server, "synchronous_commit = off")
    with server.connect() as other:
        wait_until(lambda: other.execute("SHOW synchronous_commit").fetchone() == ("off",), 30)
    time.sleep(0.1)
    assert show(app, "synchronous_commit") == {"on"}
    assert post(app).status_code == 202
    close(app)


def test_a_connection_that_has_become_read_only_is_made_anew(app: Flask, server: Postgres) -> None:
    # What a failover does to a connection to the old primary, which is a standby now: it may only
    # read, while a new connection, through a name that leads elsewhere, may write.
    with server.connect() as connection:
        connection.execute("ALTER ROLE postgres SET default_transaction_read_only = off")
    reload(server, "default_transaction_read_only = on")
    wait_until(lambda: show(app, "default_transaction_read_only") == {"on"}, 30)
    assert post(app).status_code == 202
    batch = {"events": [card_click() for _ in range(8)]}
    assert app.test_client().post(f"{URL}/batch", json=batch).status_code == 202
    assert len(stored(app)) == 10
    close(app)


def test_a_database_that_was_dropped_and_made_anew_is_written_to(
    app: Flask, server: Postgres, make_host: MakeHost
) -> None:
    with server.connect() as connection:
        connection.execute("CREATE DATABASE shop")
    shop = make_host(server.url.removesuffix("/postgres") + "/shop")
    assert post(shop).status_code == 202
    with server.connect() as connection:
        connection.execute("DROP DATABASE shop WITH (FORCE)")
    assert post(shop).status_code == 503
    with server.connect() as connection:
        connection.execute("CREATE DATABASE shop")
    with shop.app_context():
        shop.extensions["sqlalchemy"].create_all()
    assert [post(shop).status_code for _ in range(20)][-1] == 202
    assert stored(shop)
    close(shop)
    close(app)
