"""A connection that the server has ended is an error of SQLAlchemy, whatever found it first."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, exc, text
from sqlalchemy.pool import NullPool

from tcs_events.database.transactions import with_transactions
from tests.support import need_module

DRIVERS = {"pymysql": "pymysql", "mysqldb": "MySQLdb"}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "control"])
def test_a_pooled_connection_that_was_ended_is_replaced(
    mariadb_url: str, driver: str, ended: bool
) -> None:
    need_module(DRIVERS[driver])
    host = create_engine(mariadb_url.replace("pymysql", driver))
    ours = with_transactions(host)
    with host.connect() as connection:
        server_id = connection.scalar(text("SELECT connection_id()"))
    if ended:
        with create_engine(mariadb_url, poolclass=NullPool).connect() as other:
            other.execute(text(f"KILL {server_id}"))
        with pytest.raises(exc.DBAPIError) as caught:
            ours.connect()
        assert caught.value.orig is not None
    with ours.connect() as connection:
        assert (connection.scalar(text("SELECT connection_id()")) != server_id) is ended
    host.dispose()
