"""How many connections events are written on, and when they are closed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from flask import Flask
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from tests.conftest import MakeHost
from tests.support import card_click, post, stored, wait_until

IDENTIFY = "/api/events/identify"
MAX_CONNECTIONS = 2
COUNT = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()"
    " AND id <> connection_id()",
}


@pytest.fixture
def open_connections(database_url: str) -> Iterator[Callable[[], int]]:
    """Counts the connections to the database, without the one that counts."""
    url = make_url(database_url)
    name = url.get_backend_name()
    if name == "sqlite":
        yield lambda: _descriptors_of(str(url.database))
        return
    watcher = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

    def count() -> int:
        with watcher.connect() as connection:
            return int(
                connection.execute(text(COUNT[name.replace("mariadb", "mysql")])).scalar_one()
            )

    yield count
    watcher.dispose()


def _descriptors_of(path: str) -> int:
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{number}") == path
    return found


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    """A host whose pool keeps no connection, so that all that stay open are ours."""
    return make_host(
        database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"poolclass": NullPool},
        TCS_EVENTS_KEEP_REJECTED=100,
    )


def send_everything(app: Flask) -> None:
    """Send an event, an identity and a refused event, each of which has a table."""
    client = app.test_client()
    assert post(client).status_code == 202
    assert post(client, event_type="unknown").status_code == 422
    identity = {"session_id": "visitor-1", "email": "ada@example.org"}
    assert client.post(IDENTIFY, json=identity).status_code == 202


def engine_of(app: Flask) -> Engine:
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
        return engine


def test_all_tables_share_few_connections(
    host: Flask, database_url: str, open_connections: Callable[[], int]
) -> None:
    with ThreadPoolExecutor(8) as visitors:
        for _ in visitors.map(lambda _: send_everything(host), range(40)):
            pass
    # SQLite keeps the descriptors of closed connections while another one holds a lock.
    most = 99 if database_url.startswith("sqlite") else MAX_CONNECTIONS
    assert 1 <= open_connections() <= most
    engine_of(host).dispose()
    assert open_connections() == 0


def test_one_visitor_at_a_time_needs_one_connection(
    host: Flask, open_connections: Callable[[], int]
) -> None:
    for _ in range(10):
        assert post(host).status_code == 202
    assert open_connections() == 1


def test_connections_that_nobody_uses_are_closed(
    host: Flask, open_connections: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcs_events.stores.lanes.IDLE_SECONDS", 0.2)
    for _ in range(2):
        send_everything(host)
        wait_until(lambda: open_connections() == 0)
        wait_until(lambda: not _is_watched())  # nothing is left running
    assert len(stored(host)) == 2


def _is_watched() -> bool:
    return any(thread.name == "tcs_events idle connections" for thread in threading.enumerate())


def test_events_that_keep_coming_keep_their_connection(
    host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle_seconds = 2.0
    monkeypatch.setattr("tcs_events.stores.lanes.IDLE_SECONDS", idle_seconds)
    assert post(host).status_code == 202
    own = host.extensions["tcs_events"].store.committers[0].own
    driver, count, longest = own.driver, 1, 0.0
    end = (last := time.monotonic()) + 2 * idle_seconds
    while last < end:
        time.sleep(0.05)
        assert post(host).status_code == 202
        count, longest, last = count + 1, max(longest, time.monotonic() - last), time.monotonic()
    # On a machine that stands still for as long, it may have been closed.
    assert own.driver is driver or longest > idle_seconds / 2
    assert len(stored(host)) == count


def test_connections_may_be_closed_at_any_moment(
    host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcs_events.stores.lanes.IDLE_SECONDS", 0.0)
    statuses = []

    def visit() -> None:
        statuses.extend(post(host).status_code for _ in range(100))

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    while any(visitor.is_alive() for visitor in visitors):
        engine_of(host).dispose()
    assert set(statuses) == {202}
    assert len(stored(host)) == len(statuses)


def test_the_host_closes_them_with_its_engine(
    host: Flask, open_connections: Callable[[], int]
) -> None:
    send_everything(host)
    engine_of(host).dispose()
    assert open_connections() == 0
    send_everything(host)
    assert len(stored(host)) == 2


def test_they_are_closed_on_request(host: Flask, open_connections: Callable[[], int]) -> None:
    send_everything(host)
    host.extensions["tcs_events"].close()
    assert open_connections() == 0
    assert post(host).status_code == 202


def test_a_locked_table_of_another_kind_keeps_no_event_waiting(
    make_host: MakeHost, postgres_url: str
) -> None:
    app = make_host(postgres_url)
    assert post(app).status_code == 202
    identity = {"session_id": "visitor-1", "email": "ada@example.org"}
    with engine_of(app).begin() as migration, ThreadPoolExecutor(3) as visitors:
        migration.execute(text("LOCK TABLE user_event_identities IN ACCESS EXCLUSIVE MODE"))
        waiting = [
            visitors.submit(app.test_client().post, IDENTIFY, json=identity) for _ in range(3)
        ]
        wait_until(lambda: _is_waiting(app))
        assert [post(app).status_code for _ in range(20)] == [202] * 20
        assert not any(request.done() for request in waiting)
        migration.rollback()
    assert [request.result().status_code for request in waiting] == [202] * 3


def _is_waiting(app: Flask) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with engine_of(app).connect() as connection:
        return bool(connection.execute(text(query)).scalar())


def test_a_server_without_a_free_connection_costs_events_and_no_page(
    make_host: MakeHost, postgres_url: str, postgres_server_url: str
) -> None:
    server = create_engine(postgres_server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = make_url(postgres_url).database
    with server.connect() as connection:
        connection.execute(text("CREATE ROLE few LOGIN NOSUPERUSER"))
        connection.execute(text(f"GRANT ALL ON DATABASE {name} TO few"))
    try:
        make_host(postgres_url)
        owner = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with owner.connect() as connection:
            connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO few"))
            connection.execute(text("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO few"))
            connection.execute(text("ALTER ROLE few CONNECTION LIMIT 2"))
        url = make_url(postgres_url).set(username="few").render_as_string(hide_password=False)
        app = make_host(url, create=False)
        assert post(app).status_code == 202  # it has one of the two connections
        engine = engine_of(app)
        engine.dispose()
        with engine.connect(), engine.connect() as page:
            answer = app.test_client().post("/api/events", json=card_click())
            assert answer.status_code == 503
            assert "Retry-After" in answer.headers
            assert page.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()
        assert post(app).status_code == 202
        # It holds a connection again. A page that finds none frees it for the next one.
        with engine.connect():
            assert not _connects(engine)
            assert _connects(engine)
    finally:
        with server.connect() as connection:
            connection.execute(text("ALTER ROLE few CONNECTION LIMIT -1"))


def _connects(engine: Engine) -> bool:
    try:
        engine.connect().close()
    except Exception:
        return False
    return True
