"""Wrong clocks do not stop the counting, lose events, or make it count again and again.

A machine's clock is set forward and back. Processes have different clocks, time zones and versions,
for a while or for ever.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import func, select
from structlog.testing import capture_logs

from tcs_events import reports
from tcs_events.counts import meaning, tables
from tcs_events.counts.agreement import SILENCE
from tcs_events.counts.funnels import MAX_FUNNELS
from tcs_events.counts.lease import take
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.counts.refresh import Refresher
from tests.cli.asking import run
from tests.conftest import MakeHost
from tests.counts.counting import Counting, ask, click
from tests.support import need

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
SETTLED = SETTLED_AFTER.total_seconds() + 1
YEAR = 365 * 86_400
JUMPS = [3_600, -3_600, YEAR, -YEAR, 56 * YEAR, -56 * YEAR]
BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")


def two_days(counting: Counting) -> None:
    """Store two days, and refresh until no rows are read again."""
    counting.add(ask(MONDAY), click(MONDAY + timedelta(minutes=1)), click(TUESDAY))
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)


def refresh(counting: Counting) -> list[str]:
    refreshed = counting.refresher.refresh()
    assert refreshed is not None
    return [str(of_day) for of_day in refreshed.days]


@pytest.mark.parametrize("seconds", JUMPS)
def test_after_a_jump_new_events_are_counted_and_old_ones_not_for_ever(
    counting: Counting, seconds: float
) -> None:
    two_days(counting)
    counting.clock.advance(seconds)
    counting.add(click(MONDAY, expert="bo"))
    assert refresh(counting) == ["2024-05-06"]
    for _ in range(4):
        counting.clock.advance(SETTLED)
        counting.refresher.refresh()
    assert refresh(counting) == []
    counting.assert_true()


def test_a_clock_that_goes_back_and_forth_loses_nothing(counting: Counting) -> None:
    two_days(counting)
    for number, seconds in enumerate([3_600, -7_200, YEAR, -2 * YEAR, 60, YEAR, -60, 3_600]):
        counting.clock.advance(seconds)
        counting.add(click(MONDAY + timedelta(minutes=number), expert=f"e-{number}"))
        assert "2024-05-06" in refresh(counting)
    counting.assert_true()


@pytest.mark.parametrize("seconds", [-600, -YEAR, YEAR])
def test_a_lease_taken_before_a_jump_holds_nobody_up(counting: Counting, seconds: float) -> None:
    two_days(counting)
    take(counting.engine, counting.zone, uuid4(), counting.clock.now)  # and it is killed
    counting.clock.advance(seconds)
    counting.add(click(MONDAY, expert="bo"))
    assert refresh(counting) == ["2024-05-06"]
    counting.assert_true()


@pytest.mark.parametrize("seconds", [-120, -YEAR])
def test_reports_are_fresh_though_they_were_counted_in_the_future(
    counting: Counting, seconds: float
) -> None:
    two_days(counting)
    counting.clock.advance(seconds)
    counting.add(click(MONDAY, expert="bo"))
    with counting.app.app_context():
        period = reports.Period(MONDAY.date(), MONDAY.date())
        assert {row.expert_id for row in reports.top_experts(period)} == {"ada", "bo"}


def test_a_funnel_asked_for_after_the_clock_was_set_back_is_kept(counting: Counting) -> None:
    """Funnels with a time in the future must not count as the newest ones."""
    counting.clock.advance(YEAR)
    for number in range(MAX_FUNNELS):
        counting.keep(f"type_{number}")
    counting.clock.advance(-YEAR)
    counting.keep("sage_query", "card_click")
    with counting.engine.connect() as connection:
        definitions = list(connection.scalars(select(tables.funnels.c.definition)))
    assert '[["sage_query",[]],["card_click",[]]]' in definitions
    assert len(definitions) <= MAX_FUNNELS


class TestProcessesThatDiffer:
    @pytest.fixture
    def in_tokyo(self, counting: Counting) -> Refresher:
        meaning = counting.refresher.meaning
        return Refresher(counting.engine, TOKYO, meaning, counting.clock)

    def days_counted(self, counting: Counting, *refreshers: Refresher, minutes: float) -> int:
        """Refresh in turns for a while, and return how many days were counted."""
        counted = 0
        for _ in range(12):
            for refresher in refreshers:
                counting.clock.advance(minutes * 60)
                refreshed = refresher.refresh()
                assert refreshed is not None
                counted += len(refreshed.days)
        return counted

    @pytest.mark.parametrize("minutes", [1, 10])
    def test_two_zones_do_not_count_everything_in_turns(
        self, counting: Counting, in_tokyo: Refresher, minutes: float
    ) -> None:
        two_days(counting)
        counted = self.days_counted(counting, counting.refresher, in_tokyo, minutes=minutes)
        assert counted <= 2 * 3  # each day once by the newer one, and once to be sure
        # The newer one goes on, and the older one reads what it counts.
        counting.add(click(MONDAY, expert="bo"))
        refreshed = in_tokyo.refresh()
        assert refreshed is not None
        assert refreshed.days == [MONDAY.date()]
        assert counting.refresher.refreshed_at() == in_tokyo.refreshed_at() == counting.clock.now

    def test_two_that_are_seldom_there_count_everything_ever_less_often(
        self, counting: Counting, in_tokyo: Refresher
    ) -> None:
        two_days(counting)
        hours = SILENCE.total_seconds() / 3600 + 0.1
        counted = self.days_counted(counting, counting.refresher, in_tokyo, minutes=60 * hours)
        assert counted <= 24

    def test_two_versions_do_not_count_everything_in_turns(
        self, counting: Counting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        two_days(counting)
        counted = 0
        for _ in range(10):
            for version in (meaning.RULES_VERSION, meaning.RULES_VERSION + 1):
                counting.clock.advance(60)
                with monkeypatch.context() as patch:
                    patch.setattr(meaning, "RULES_VERSION", version)
                    refreshed = counting.refresher.refresh()
                assert refreshed is not None
                counted += len(refreshed.days)
        assert counted <= 2 * 3

    def test_after_a_deploy_that_was_taken_back_the_older_one_counts_again(
        self, counting: Counting, in_tokyo: Refresher
    ) -> None:
        two_days(counting)
        counting.clock.advance(60)
        in_tokyo.refresh()
        counting.clock.advance(60)
        assert refresh(counting) == []
        counting.clock.advance(SILENCE.total_seconds())
        assert refresh(counting) == ["2024-05-06", "2024-05-07"]
        counting.assert_true()

    def test_whoever_rebuilds_decides(self, counting: Counting, in_tokyo: Refresher) -> None:
        two_days(counting)
        counting.clock.advance(60)
        in_tokyo.refresh()
        counting.refresher.refresh(rebuild=True)
        counting.clock.advance(60)
        again = in_tokyo.refresh()
        assert again is not None
        assert again.days == []
        counting.assert_true()

    def test_the_one_that_does_not_count_says_so_in_the_log(
        self, counting: Counting, in_tokyo: Refresher
    ) -> None:
        two_days(counting)
        in_tokyo.refresh()
        with capture_logs() as logs:
            counting.refresher.refresh()
        version = counting.refresher.meaning.version
        assert logs == [
            {
                "event": "tcs_events.counts_of_another_configuration",
                "log_level": "warning",
                "version": version,
                "zone": "Asia/Tokyo",
                "our_version": version,
                "our_zone": "Europe/Berlin",
            }
        ]

    def test_oddities_are_named(self, counting: Counting, in_tokyo: Refresher) -> None:
        two_days(counting)
        assert counting.refresher.oddities() == []
        in_tokyo.refresh()
        [odd] = counting.refresher.oddities()
        assert odd.what == "configuration of the counts"
        assert "Asia/Tokyo (version" in odd.remedy
        assert "Europe/Berlin (version" in odd.remedy
        said = run(counting.app, "doctor", "--json").stdout
        hints = {found["what"]: found["remedy"] for found in json.loads(said)["findings"]}
        assert hints["configuration of the counts"] == odd.remedy
        counting.clock.advance(-YEAR)
        assert "clock of the counts" in {odd.what for odd in counting.refresher.oddities()}


COUNT = """
import json, sys
from datetime import UTC, datetime
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from tcs_events import events_bp, reports
from tcs_events.host import registration_of
db, app = SQLAlchemy(), Flask("host")
app.config["SQLALCHEMY_DATABASE_URI"] = sys.argv[1]
db.init_app(app)
app.register_blueprint(events_bp)
answer = app.test_client().post(
    "/api/events",
    json={"event_type": "card_click", "session_id": "s", "payload": {"expert_id": sys.argv[2]}},
)
with app.app_context():
    refreshed = registration_of(app).refresher.refresh()
    told = [row.expert_id for row in reports.top_experts(reports.last_days(7))]
print(json.dumps([answer.status_code, told, refreshed is not None, datetime.now(UTC).year]))
"""


def process_with_clock(url: str, expert: str, offset: str | None) -> list[Any]:
    """Store an event and ask for a report in a process whose clock is off."""
    command = [sys.executable, "-c", COUNT, url, expert]
    if offset is not None:
        command = ["faketime", "-f", offset, *command]
    environment = {**os.environ, "DONT_FAKE_MONOTONIC": "1"}
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    answer: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.proof
@pytest.mark.parametrize("offsets", [["+3d", "-30y", None], ["+30y", "-2y", None]])
def test_processes_with_other_clocks_store_and_count(
    make_host: MakeHost, database_url: str, offsets: list[str | None]
) -> None:
    need(shutil.which("faketime"), "faketime", "apt-get install faketime")
    app: Flask = make_host(database_url)
    this_year = datetime.now(UTC).year
    for number, offset in enumerate(offsets):
        status, told, is_refreshed, year = process_with_clock(
            database_url, f"expert-{number}", offset
        )
        assert status == 202
        assert is_refreshed
        assert f"expert-{number}" in told  # in the report of the days of its own clock
        if offset is not None and "y" in offset:  # the control: its clock was wrong
            assert abs(year - this_year) >= 2
    counting = Counting(app)
    counting.refresher.refresh()
    kept = counting.kept()
    with counting.engine.connect() as connection:
        assert connection.scalar(select(func.sum(tables.days.c.events))) == len(offsets)
    counting.refresher.refresh(rebuild=True)
    # A process that was ahead has summed up weeks that are not over.
    summed_up = {table.name for table in (tables.spans, *tables.SPANNED)}
    for name, rows in counting.kept().items():
        assert name in summed_up or rows == kept[name]
