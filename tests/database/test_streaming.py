"""Rows are read a few at a time, and no other rows are read."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, NullPool, create_engine, func, select, text

from tcs_events import UserEvent
from tcs_events.counts.events import events_between
from tcs_events.database.streaming import FETCH_ROWS, stream
from tcs_events.host import registration_of
from tests.conftest import MakeHost
from tests.drivers import POOLED_DRIVERS, POSTGRES_DRIVERS, database_by, with_driver
from tests.faults.pruning import fill

ROWS = 50_000
TYPES = ["card_click", "sage_query", "filter_change"]


def rows_fetched(connection: Connection) -> int:
    """Return how many events PostgreSQL has read in this transaction."""
    query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
    # Tables of other tests may wait in other schemas.
    ours = "schemaname = 'public' AND relname = 'user_events'"
    return int(connection.scalar(text(f"{query} WHERE {ours}")) or 0)


def test_a_day_is_read_without_walking_the_whole_table(
    make_host: MakeHost, postgres_url: str
) -> None:
    app = make_host(postgres_url)
    fill(postgres_url, ROWS // 2, ROWS // 2)
    end = datetime.now(UTC) - timedelta(days=3)
    start = end - timedelta(days=1)
    in_order = (
        select(UserEvent.session_id)
        .where(UserEvent.created_at >= start, UserEvent.created_at < end)
        .order_by(UserEvent.session_id)
    )
    with app.app_context():
        engine = registration_of(app).database.engine
        with engine.connect() as connection:
            with events_between(connection, start, end, TYPES) as events:
                of_the_day = sum(1 for _ in events)
            assert 500 < of_the_day < ROWS / 20
            assert rows_fetched(connection) < 2 * of_the_day
        with engine.connect() as connection:
            # The control: the same query with the server's default setting for cursors.
            cursor = connection.execution_options(yield_per=FETCH_ROWS).execute(in_order)
            assert len(cursor.all()) == of_the_day
            assert rows_fetched(connection) >= ROWS


@pytest.fixture(params=["sqlite", "mariadb", *POSTGRES_DRIVERS, *POOLED_DRIVERS])
def database_url(request: pytest.FixtureRequest) -> str:
    return database_by(request, request.param)


@pytest.mark.parametrize("rows", [0, 1, FETCH_ROWS, 2 * FETCH_ROWS + 1])
def test_all_rows_come_and_never_too_many_at_once(
    make_host: MakeHost, database_url: str, rows: int
) -> None:
    app = make_host(database_url)
    if rows:
        is_postgres = database_url.startswith("postgresql")
        fill(with_driver(database_url, "psycopg") if is_postgres else database_url, rows, 1)
    with app.app_context(), registration_of(app).database.engine.connect() as connection:
        query = select(UserEvent.id).order_by(UserEvent.id)
        parts = [len(part) for part in stream(connection, query).partitions()]
    assert sum(parts) == (rows + 1 if rows else 0)
    assert max(parts, default=0) <= FETCH_ROWS


def test_a_reader_that_pauses_for_long_is_waited_for(make_host: MakeHost, mariadb_url: str) -> None:
    """By default MariaDB ends the connection of a client that does not read on for a minute."""
    make_host(mariadb_url)
    fill(mariadb_url, 10_000, 10_000)
    root = create_engine(mariadb_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with root.connect() as connection:
        connection.execute(text("SET GLOBAL net_write_timeout = 1"))
        app = make_host(mariadb_url, create=False)
        try:
            # More than the buffers of the network hold.
            query = select(func.repeat("x", 5_000)).select_from(UserEvent)
            with (
                app.app_context(),
                registration_of(app).database.engine.connect() as reader,
                stream(reader, query) as rows,
            ):
                rows.fetchone()
                time.sleep(3)
                assert len(rows.all()) == 20_000 - 1
        finally:
            connection.execute(text("SET GLOBAL net_write_timeout = 60"))
