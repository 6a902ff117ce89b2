"""What is between the web server and its database hangs, breaks and loses answers under load.

The control, a host that waits for the network, is part of the figure F9.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers import POSTGRES_DRIVERS, database_by
from tests.faults.load import under_load
from tests.faults.proxy import FAULTS, proxy_to
from tests.support import need_module


@pytest.fixture(params=[*POSTGRES_DRIVERS, "pymysql", "mysqldb"])
def database(request: pytest.FixtureRequest) -> str:
    """An empty database on a server, by each driver."""
    if request.param in POSTGRES_DRIVERS:
        return database_by(request, request.param)
    need_module({"mysqldb": "MySQLdb"}.get(request.param, request.param))
    return database_by(request, "mariadb").replace("pymysql", request.param)


@pytest.mark.parametrize("fault", ["hang", "cut", "lose_answers"])
def test_a_fault_of_the_network_is_answered_503_in_time_and_heals_by_itself(
    database: str, tmp_path: Path, fault: str
) -> None:
    with proxy_to(database) as (proxy, url):
        report = under_load(url, tmp_path, lambda visitors: FAULTS[fault](proxy))

    assert report.complaints() == []
    assert report.statuses()[503] > 0
