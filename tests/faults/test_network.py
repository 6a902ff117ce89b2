"""What is between the web server and PostgreSQL hangs, breaks and loses answers under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.load import under_load
from tests.faults.proxy import FAULTS, hang, proxy_to


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_network_is_answered_503_in_time_and_heals_by_itself(
    postgres_url: str, tmp_path: Path, fault: str
) -> None:
    with proxy_to(postgres_url) as (proxy, url):
        report = under_load(url, tmp_path, lambda visitors: FAULTS[fault](proxy))

    assert report.complaints() == []
    assert (503 in report.statuses()) == (fault != "slow_down")


def test_the_harness_sees_a_host_that_waits_for_a_network_that_hangs(
    postgres_url: str, tmp_path: Path
) -> None:
    with proxy_to(postgres_url) as (proxy, url):
        report = under_load(url, tmp_path, lambda visitors: hang(proxy), face="naive")

    assert any("later than" in complaint for complaint in report.complaints())
