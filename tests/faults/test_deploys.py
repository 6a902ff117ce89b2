"""Workers are replaced under load: nothing acknowledged is lost, no answer is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.deploys import KINDS, deploy_repeatedly

pytestmark = pytest.mark.usefixtures("patient_servers")


@pytest.mark.parametrize(
    ("kind", "way"), [*zip(KINDS, ["hup", "term_each_worker"] * 2, strict=True)]
)
def test_deploys_lose_nothing_and_answer_no_error(
    sqlite_url: str, tmp_path: Path, kind: str, way: str
) -> None:
    report = deploy_repeatedly(sqlite_url, tmp_path, rounds=1, kind=kind, way=way)

    assert report.balance.violations == {}
    assert report.balance.unknown == 0
    assert set(report.statuses()) <= {0, 202}  # 0: the connection was closed before it was asked


def test_the_harness_sees_events_lost_in_a_deploy_by_a_host_that_answers_first(
    sqlite_url: str, tmp_path: Path
) -> None:
    report = deploy_repeatedly(sqlite_url, tmp_path, rounds=3, face="answers_first")

    assert report.balance.missing
