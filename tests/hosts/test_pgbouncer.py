"""A host behind PgBouncer, whose other clients must not notice that we are there.

In transaction mode, one process of the server serves many clients, one transaction after the other.
Whatever a client leaves behind, the next one finds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import NullPool, make_url, select

from tcs_events import UserEvent
from tcs_events.database import transactions
from tcs_events.stores import postgresql
from tests.conftest import MakeHost
from tests.databases import execute_in
from tests.drivers import POSTGRES_DRIVERS, at_port, with_driver
from tests.hosts.everything import BAD, use_everything
from tests.pgbouncer import pgbouncer
from tests.support import URL, card_click, need_module, post, stored

POOL_SIZE = 2
LEFT_BEHIND = """
SELECT 'setting ' || name || ' = ' || setting FROM pg_settings
    WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding')
    AND name NOT LIKE 'transaction_%'  -- these begin anew with each transaction
UNION ALL SELECT 'prepared ' || statement FROM pg_prepared_statements
UNION ALL SELECT 'cursor ' || name FROM pg_cursors
UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() AS c
UNION ALL SELECT 'table ' || relname FROM pg_class
    WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'
"""
THEIR_SECONDS = 2.5
"""How long a query of the other client takes: longer than we wait for a refused event."""


@pytest.fixture(params=["transaction", "session"])
def mode(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


@pytest.fixture
def pooler_port(postgres_server_url: str, mode: str) -> Iterator[int]:
    # In session mode each of our connections needs one of the server's.
    size = POOL_SIZE if mode == "transaction" else 40
    with pgbouncer(postgres_server_url, mode, size) as port:
        yield port


@contextmanager
def other_clients(url: str) -> Iterator[list[Any]]:
    """Connect another program, which takes each process of the server that the pooler has."""
    import psycopg

    address = make_url(url)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                psycopg.connect(
                    host=address.host,
                    port=address.port,
                    user=address.username,
                    dbname=address.database,
                    prepare_threshold=None,
                )
            )
            for _ in range(POOL_SIZE)
        ]


def ask_often(app: Flask) -> None:
    """Ask the same thing more often than it takes psycopg 3 to prepare a statement."""
    with app.app_context():
        engine = app.extensions["tcs_events"].database.engine
        for _ in range(8):
            with engine.begin() as connection:
                connection.execute(select(UserEvent.id).limit(1)).all()


def left_behind(url: str) -> list[str]:
    """Return what another client finds on the processes of the server that we have used."""
    with other_clients(url) as clients:
        return sorted({item for client in clients for (item,) in client.execute(LEFT_BEHIND)})


def their_queries_end(url: str) -> bool:
    import psycopg

    try:
        with other_clients(url) as clients:
            for client in clients:
                client.execute("SELECT pg_sleep(%s)", [THEIR_SECONDS])
    except psycopg.errors.QueryCanceled:
        return False
    return True


def host_on(make_host: MakeHost, url: str, driver: str, port: int, **options: object) -> Flask:
    """Make a host as it comes: with psycopg 3, its own statements would be prepared in time."""
    need_module(driver)
    kept = {"TCS_EVENTS_KEEP_REJECTED": 100}
    make_host(url, **kept)  # whose `create_all` is not a matter of ours
    pooled = at_port(with_driver(url, driver), port)
    return make_host(pooled, create=False, SQLALCHEMY_ENGINE_OPTIONS=options, **kept)


@pytest.mark.real_limits
@pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
def test_other_clients_of_the_pooler_find_nothing_of_ours(
    make_host: MakeHost, postgres_url: str, tmp_path: Path, driver: str, pooler_port: int
) -> None:
    app = host_on(make_host, postgres_url, driver, pooler_port)
    use_everything(app, tmp_path)
    ask_often(app)

    url = at_port(postgres_url, pooler_port)
    assert left_behind(url) == []
    assert their_queries_end(url)
    assert {row["session_id"] for row in stored(app)} == {f"visitor-{n}" for n in range(20)}


@pytest.mark.real_limits
@pytest.mark.parametrize("mode", ["transaction"], indirect=True)
@pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
@pytest.mark.parametrize(
    "options",
    [
        {"isolation_level": "AUTOCOMMIT"},
        {"isolation_level": "REPEATABLE READ"},
        {"poolclass": NullPool},
    ],
    ids=["AUTOCOMMIT", "REPEATABLE READ", "NullPool"],
)
def test_nor_where_the_hosts_connections_are_unusual(
    make_host: MakeHost,
    postgres_url: str,
    tmp_path: Path,
    driver: str,
    pooler_port: int,
    options: dict[str, object],
) -> None:
    app = host_on(make_host, postgres_url, driver, pooler_port, **options)
    use_everything(app, tmp_path)

    found = left_behind(at_port(postgres_url, pooler_port))
    if driver == "pg8000" and options.get("isolation_level") == "REPEATABLE READ":
        # SQLAlchemy sets the host's level for the session with this driver.
        found = [item for item in found if "default_transaction_isolation" not in item]
    assert found == []


class TestControl:
    """The settings of a direct connection, behind a pooler in transaction mode."""

    @pytest.fixture(autouse=True)
    def _as_if_direct(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (postgresql, transactions):
            monkeypatch.setattr(module, "is_pooled", lambda driver, server_pid: False)

    @pytest.mark.real_limits
    @pytest.mark.parametrize("mode", ["transaction"], indirect=True)
    @pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
    def test_would_be_found_by_other_clients_and_end_their_queries(
        self, make_host: MakeHost, postgres_url: str, driver: str, pooler_port: int
    ) -> None:
        app = host_on(make_host, postgres_url, driver, pooler_port)
        app.test_client().post(URL, json=BAD)

        url = at_port(postgres_url, pooler_port)
        assert "setting statement_timeout = 1500" in left_behind(url)
        assert not their_queries_end(url)

    @pytest.mark.parametrize("mode", ["transaction"], indirect=True)
    def test_would_be_prepared_in_the_processes_of_others(
        self, make_host: MakeHost, postgres_url: str, pooler_port: int
    ) -> None:
        ask_often(host_on(make_host, postgres_url, "psycopg", pooler_port))

        assert any(
            item.startswith("prepared ") for item in left_behind(at_port(postgres_url, pooler_port))
        )

    @pytest.mark.parametrize("mode", ["transaction"], indirect=True)
    def test_would_prepare_statements_that_collide(
        self, make_host: MakeHost, postgres_url: str, pooler_port: int
    ) -> None:
        assert 503 in statuses_of_many_processes(make_host, postgres_url, "psycopg", pooler_port)


def statuses_of_many_processes(
    make_host: MakeHost, url: str, driver: str, port: int, processes: int = 4
) -> set[int]:
    """Send many events to apps of which each has its own connections, as processes have."""
    apps = [host_on(make_host, url, driver, port) for _ in range(processes)]
    statuses: set[int] = set()

    def send(app: Flask) -> None:
        for n in range(25):
            statuses.add(post(app, session_id=f"visitor-{n}").status_code)

    threads = [threading.Thread(target=send, args=(app,)) for app in apps for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


@pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
def test_events_of_many_processes_are_stored_without_a_503(
    make_host: MakeHost, postgres_url: str, driver: str, pooler_port: int
) -> None:
    assert statuses_of_many_processes(make_host, postgres_url, driver, pooler_port) == {202}


@pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
def test_what_we_store_is_synced_whatever_the_role_has_set(
    make_host: MakeHost, postgres_url: str, driver: str, pooler_port: int
) -> None:
    """The setting is noted by a trigger, so inside of the transactions that store."""
    execute_in(
        postgres_url,
        f"ALTER DATABASE {make_url(postgres_url).database} SET synchronous_commit = off",
    )
    app = host_on(make_host, postgres_url, driver, pooler_port)
    execute_in(
        postgres_url,
        "CREATE TABLE noted (synchronous text, timeout text)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO noted VALUES (current_setting('synchronous_commit'),"
        " current_setting('statement_timeout')); RETURN NEW; END $$",
        "CREATE TRIGGER note BEFORE INSERT ON user_events FOR EACH ROW EXECUTE FUNCTION note()",
        "CREATE TRIGGER note BEFORE INSERT ON user_event_rejections"
        " FOR EACH ROW EXECUTE FUNCTION note()",
    )
    for _ in range(2):
        events = [card_click(session_id=f"visitor-{n}") for n in range(20)]
        app.test_client().post(f"{URL}/batch", json={"events": events})
    app.test_client().post(URL, json=BAD)

    noted = execute_in(postgres_url, "SELECT synchronous, timeout FROM noted")
    assert len(noted) == 41
    assert {synchronous for synchronous, _ in noted} == {"on"}
    assert "0" not in {timeout for _, timeout in noted}
