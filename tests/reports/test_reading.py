"""How reports come to their counts."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import exc
from structlog.testing import capture_logs

from tcs_events import reports
from tcs_events.reports import reading
from tests.conftest import MakeHost
from tests.support import post


def test_a_database_that_takes_no_writes_is_asked_for_the_counts_it_has(
    make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_host(
        f"sqlite:///{tmp_path}/host.db",
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.1}},
    )
    post(app)
    with app.app_context():
        period = reports.last_days(2)
        before = reports.top_experts(period)
        assert [expert.expert_id for expert in before] == ["ada"]

        monkeypatch.setattr(reading, "FRESH_FOR", timedelta(0))
        locked = sqlite3.connect(tmp_path / "host.db", isolation_level=None)
        locked.execute("BEGIN IMMEDIATE")
        with capture_logs() as logs:
            assert reports.top_experts(period) == before
        assert {entry["event"] for entry in logs} == {"tcs_events.counts_not_refreshed"}
        locked.execute("ROLLBACK")
        locked.close()


def test_counts_that_never_were_are_an_error(make_host: MakeHost, tmp_path: Path) -> None:
    app = make_host(
        f"sqlite:///{tmp_path}/host.db",
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.1}},
    )
    locked = sqlite3.connect(tmp_path / "host.db", isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    with app.app_context(), pytest.raises(exc.OperationalError):
        reports.top_experts(reports.last_days(2))
    locked.execute("ROLLBACK")
    locked.close()


def test_counts_of_the_last_minute_are_not_counted_again(
    make_host: MakeHost, sqlite_url: str
) -> None:
    app = make_host(sqlite_url)
    with app.app_context():
        reports.activity(reports.last_days(1))
        refresher = app.extensions["tcs_events"].refresher
        first = refresher.refreshed_at()
        post(app)
        assert reports.activity(reports.last_days(1)) == []
        assert refresher.refreshed_at() == first
        assert datetime.now(UTC) - first < timedelta(minutes=1)
