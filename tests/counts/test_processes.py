"""Several processes count together what one process counts alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from tcs_events import UserEvent
from tcs_events.counts import counting as counting_module
from tcs_events.counts import processes as processes_module
from tcs_events.counts import properties, tables
from tcs_events.counts.counted import Counted
from tcs_events.counts.counting import DayCounter
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.counts.processes import Task, counting_together
from tcs_events.counts.properties import UNCOUNTED
from tcs_events.counts.shares import Share, is_in_share
from tcs_events.errors import CountingEnded
from tests.conftest import MakeHost
from tests.counts.counting import Counting, click
from tests.reports.worlds import make_world
from tests.support import ROOT, wait_until

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
PROCESSES = 3


@pytest.fixture(autouse=True)
def every_day_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting_module, "SHARED_FROM", 1)


@pytest.mark.parametrize("seed", range(2))
def test_all_tables_are_as_one_process_makes_them(counting: Counting, seed: int) -> None:
    counting.add(*make_world(seed, BERLIN).events)
    counting.refresher.refresh(rebuild=True)
    by_one = counting.kept()
    refreshed = counting.another_refresher().refresh(rebuild=True, processes=PROCESSES)
    assert refreshed is not None
    assert refreshed.events == len(counting.world().events)
    assert counting.kept() == by_one


def test_values_are_too_many_for_several_processes_if_they_are_for_one(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(properties, "MAX_VALUES", 4)
    for day, experts in enumerate((4, 5)):
        at = MONDAY + timedelta(days=day)
        counting.add(*(click(at, f"e{n % experts}", f"s{n}") for n in range(20)))
    counting.refresher.refresh(rebuild=True)
    by_one = counting.kept()
    counting.another_refresher().refresh(rebuild=True, processes=PROCESSES)
    assert counting.kept() == by_one
    values = [row[3] for row in by_one[tables.properties.name] if row[2] == "expert_id"]
    assert sorted(values) == ['"e0"', '"e1"', '"e2"', '"e3"', UNCOUNTED]


def test_from_nothing_it_is_the_same(counting: Counting) -> None:
    counting.add(*make_world(3, BERLIN).events)
    counting.refresher.refresh(processes=PROCESSES)
    counting.assert_true()


def test_each_session_is_in_one_share(counting: Counting) -> None:
    sessions = ["", "s", "ä", "\U0001f600", "visitor", *(uuid4().hex for _ in range(200))]
    counting.add(*(click(MONDAY, session_id=session_id) for session_id in sessions if session_id))
    found: list[list[str]] = []
    with counting.engine.connect() as connection:
        for number in range(PROCESSES):
            column = UserEvent.__table__.c.session_id
            share = is_in_share(connection.dialect.name, column, Share(number, PROCESSES))
            found.append(list(connection.scalars(select(column).where(share))))
    assert sorted(session for share in found for session in share) == sorted(sessions[1:])
    assert min(map(len, found)) > 20


def test_where_one_is_killed_nothing_is_half_counted_and_the_next_count_goes_on(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(4):
        counting.add(*(click(MONDAY + timedelta(days=day), session_id=f"s{n}") for n in range(9)))
    for _ in range(3):  # until their rows are not read again
        counting.refresher.refresh()
        counting.clock.advance(SETTLED_AFTER.total_seconds() + 1)
    counting.add(click(MONDAY + timedelta(days=2), session_id="late"))
    before = counting.kept()
    count_share = DayCounter.count_share

    def die_on_wednesday(self: DayCounter, task: Task, share: Share) -> Counted:
        if task.day == MONDAY.date() + timedelta(days=2) and share.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return count_share(self, task, share)

    with monkeypatch.context() as patch:
        patch.setattr(DayCounter, "count_share", die_on_wednesday)
        with pytest.raises(CountingEnded, match=r"got signal 9 while .* share of 2024-05-08"):
            counting.refresher.refresh(rebuild=True, processes=PROCESSES)
    kept = counting.kept()
    for table in ("user_event_daily_activity", "user_event_visits", "user_event_daily_visitors"):
        assert kept[table] == before[table]
    counting.clock.advance(600)
    refreshed = counting.refresher.refresh()
    assert refreshed is not None
    assert refreshed.days == [MONDAY.date() + timedelta(days=day) for day in (2, 3)]
    counting.assert_true()


def test_what_a_process_raises_is_raised_here(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.add(click(MONDAY))

    def fail(self: DayCounter, task: Task, share: Share) -> Counted:
        raise KeyError(share.number)

    monkeypatch.setattr(DayCounter, "count_share", fail)
    with pytest.raises(KeyError):
        counting.refresher.refresh(processes=PROCESSES)


def test_no_process_outlives_the_count(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    start = processes_module._start

    def note(*args: object) -> object:
        process, pipe = start(*args)  # type: ignore[arg-type]
        started.append(process.pid or 0)
        return process, pipe

    monkeypatch.setattr(processes_module, "_start", note)
    counting.add(click(MONDAY))
    counting.refresher.refresh(processes=PROCESSES)
    assert len(started) == PROCESSES
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


KILLED = """
import multiprocessing, os, signal, sys
import sqlalchemy as sa
from tcs_events.counts.processes import counting_together

with counting_together(sa.create_engine(sys.argv[1]), None, 3) as processes:
    print(*[process.pid for process in multiprocessing.active_children()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_process_outlives_a_killed_command(tmp_path: Path) -> None:
    pids_file = tmp_path / "pids"
    with pids_file.open("w") as stdout:  # a pipe would be open for as long as they live
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, f"sqlite:///{tmp_path}/host.db"], stdout=stdout
        )
    assert killed.returncode == -signal.SIGKILL
    pids = pids_file.read_text().split()
    assert len(pids) == 3
    wait_until(lambda: not any(map(is_running, pids)))


KILLED_IN_A_REBUILD = """
import multiprocessing, os, signal, sys
from datetime import datetime
from zoneinfo import ZoneInfo
import sqlalchemy as sa
from tcs_events.counts import counting
from tcs_events.counts.meaning import meaning_of
from tcs_events.counts.processes import Processes
from tcs_events.counts.refresh import Refresher
from tcs_events.database.transactions import with_transactions
from tcs_events.event_types.event_type import declared
from tcs_events.event_types.marketplace import MARKETPLACE
from tests.counts.conftest import TYPES

count, days = Processes.count, []

def count_or_die(self, task):
    days.append(task.day)
    if len(days) < 3:
        return count(self, task)
    for _, pipe in self._workers:
        pipe.send(task)
    print(*[process.pid for process in multiprocessing.active_children()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

counting.SHARED_FROM = 1
Processes.count = count_or_die
now = datetime.fromisoformat(sys.argv[2])
engine = with_transactions(sa.create_engine(sys.argv[1]))
meaning = meaning_of(declared(TYPES, MARKETPLACE))
refresher = Refresher(engine, ZoneInfo("Europe/Berlin"), meaning, lambda: now)
refresher.refresh(rebuild=True, processes=2)
"""


def test_a_rebuild_that_is_killed_leaves_nothing_half_and_no_process(
    counting: Counting, tmp_path: Path
) -> None:
    for day in range(4):
        counting.add(*(click(MONDAY + timedelta(days=day), session_id=f"s{n}") for n in range(9)))
    for _ in range(3):  # until their rows are not read again
        counting.refresher.refresh()
        counting.clock.advance(SETTLED_AFTER.total_seconds() + 1)
    before = counting.kept()
    url = counting.engine.url.render_as_string(hide_password=False)
    pids_file = tmp_path / "pids"
    stderr_file = tmp_path / "stderr"
    with pids_file.open("w") as stdout, stderr_file.open("w") as stderr:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_IN_A_REBUILD, url, counting.clock.now.isoformat()],
            stdout=stdout,
            stderr=stderr,
            cwd=ROOT,
        )
    assert killed.returncode == -signal.SIGKILL
    pids = pids_file.read_text().split()
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_running, pids)))
    assert stderr_file.read_text() == ""
    kept = counting.kept()
    for table in ("user_event_daily_activity", "user_event_visits", "user_event_daily_visitors"):
        assert kept[table] == before[table]
    counting.clock.advance(600)  # by now its lease is over
    assert counting.refresher.refresh() is not None
    counting.assert_true()


def is_running(pid: str) -> bool:
    """Return whether a process runs. One that has ended may stay, until it is asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_database_in_memory_is_counted_by_one(make_host: MakeHost) -> None:
    counting = Counting(make_host("sqlite://"))
    counting.add(click(MONDAY))
    with counting_together(counting.engine, lambda task, share: 1 / 0, 4) as processes:  # type: ignore[arg-type, return-value]
        assert processes is None
    refreshed = counting.refresher.refresh(rebuild=True, processes=4)
    assert refreshed is not None
    assert refreshed.events == 1
