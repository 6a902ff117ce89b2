"""What is between the web server and PostgreSQL hangs, breaks and loses answers under load.

The control, a host that waits for the network, is part of the figure F9.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers import POSTGRES_DRIVERS, with_driver
from tests.faults.load import under_load
from tests.faults.proxy import FAULTS, proxy_to
from tests.support import need_module


@pytest.mark.parametrize("driver", POSTGRES_DRIVERS)
@pytest.mark.parametrize("fault", ["hang", "cut", "lose_answers"])
def test_a_fault_of_the_network_is_answered_503_in_time_and_heals_by_itself(
    postgres_url: str, tmp_path: Path, fault: str, driver: str
) -> None:
    need_module(driver)
    with proxy_to(with_driver(postgres_url, driver)) as (proxy, url):
        report = under_load(url, tmp_path, lambda visitors: FAULTS[fault](proxy))

    assert report.complaints() == []
    assert report.statuses()[503] > 0
