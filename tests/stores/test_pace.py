"""The size of a group is limited by how fast the last commits were."""

from __future__ import annotations

import pytest

from tcs_events.stores.pace import GROUP_MAX_EVENTS, Pace


def test_a_quick_database_soon_has_the_largest_groups() -> None:
    pace = Pace(1.5)
    for _ in range(4):
        pace.wrote(pace.group_max_events, 0.01)
    assert pace.group_max_events == GROUP_MAX_EVENTS
    assert pace.seconds_for(1_000_000, committers=1) == 0.0


@pytest.mark.parametrize("row_seconds", [0.001, 0.005, 0.05])
def test_a_slow_database_has_groups_that_it_writes_in_a_quarter_of_the_time(
    row_seconds: float,
) -> None:
    pace = Pace(1.5)
    for _ in range(6):
        pace.wrote(pace.group_max_events, pace.group_max_events * row_seconds)
    assert 0.5 * 0.375 <= pace.group_max_events * row_seconds <= 0.376
    assert pace.seconds_for(100, committers=1) == pytest.approx(125 * row_seconds)
    assert pace.seconds_for(100, committers=2) == pytest.approx(62.5 * row_seconds)
    assert pace.most_events(10 * row_seconds) <= 8


def test_one_slow_commit_refuses_nobody_and_is_soon_forgotten() -> None:
    pace = Pace(1.5)
    pace.wrote(1, 0.3)  # a disk that paused
    assert pace.seconds_for(64, committers=1) == 0.0
    for _ in range(7):
        pace.wrote(pace.group_max_events, 0.002)
    assert pace.group_max_events == GROUP_MAX_EVENTS


def test_after_a_failure_a_single_request_finds_out() -> None:
    pace = Pace(1.5)
    pace.wrote(100, 0.01)
    pace.failed()
    assert pace.group_max_events == 1


def test_a_slow_commit_of_all_that_was_waiting_says_nothing_of_larger_groups() -> None:
    """On a busy machine one event takes as long as twelve."""
    pace = Pace(1.5)
    for _ in range(5):
        pace.wrote(1, 0.3, is_full=False)
    assert pace.seconds_for(12, committers=1) == 0.0
    for _ in range(2):
        pace.wrote(1, 0.3, is_full=True)
    assert pace.seconds_for(12, committers=1) > 1.5
