"""The sync comes before the 202: read from the system calls of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.servers import FACES
from tests.faults.sync_order import trace_a_kill_before_the_sync, trace_acknowledgements


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("visitors", [1, 12])
def test_every_202_is_sent_after_its_event_was_written_and_synced(
    sqlite_url: str, tmp_path: Path, visitors: int, face: str
) -> None:
    order = trace_acknowledgements(
        sqlite_url, tmp_path, acknowledgements=200, visitors=visitors, face=face
    )

    assert order.too_early == []
    assert order.syncs > 0


@pytest.mark.parametrize("kind", ["gunicorn-gthread", "gunicorn-gthread-1"])
def test_after_a_failed_sync_an_event_is_written_and_synced_anew_before_its_202(
    sqlite_url: str, tmp_path: Path, kind: str
) -> None:
    order = trace_acknowledgements(
        sqlite_url, tmp_path, acknowledgements=400, kind=kind, failing="5..20"
    )

    assert order.too_early == []
    assert order.failed_syncs > 0


def test_a_retry_is_acknowledged_after_a_sync_where_a_kill_came_before_the_first_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    order = trace_a_kill_before_the_sync(sqlite_url, tmp_path)

    assert order.too_early == []


def test_the_harness_sees_a_202_that_does_not_wait_for_the_sync(
    sqlite_url: str, tmp_path: Path
) -> None:
    order = trace_acknowledgements(sqlite_url, tmp_path, acknowledgements=200, face="unsynced")

    assert len(order.too_early) > 100
