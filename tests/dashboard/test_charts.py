"""Charts say what the numbers say, and numbers are written as what they are."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tcs_events.dashboard.charts import Point, bar_chart, labelled, lorenz, scale
from tcs_events.dashboard.formats import (
    change,
    direction,
    points,
    points_direction,
    share,
    value_text,
)
from tcs_events.reports.exposure import gini


def test_the_scale_is_round_and_holds_the_highest() -> None:
    for highest in [*range(200), 999, 1000, 1001, 123_456]:
        top = scale(highest)
        assert top >= highest, highest
        assert top % 2 == 0, highest
        assert top <= max(2, 2 * highest), highest
        is_close = top <= 1.5 * highest or top == 2 * 10 ** (len(str(highest)) - 1)
        assert highest < 20 or is_close, highest


def test_bars_are_as_high_as_their_values() -> None:
    points = [Point(str(value), "", value) for value in (0, 10, 20)]
    none, half, full = bar_chart("c", "t", "m", points).bars
    assert none.height == 0
    assert full.height == pytest.approx(2 * half.height)
    assert {bar.y + bar.height for bar in (none, half, full)} == {
        bar_chart("c", "t", "m", []).bottom
    }


@pytest.mark.parametrize("count", [0, 1, 2, 5, 30, 400])
def test_everything_stays_within_the_chart(count: int) -> None:
    points = [Point(f"day {n}", f"{n}", n % 7, n % 5) for n in range(count)]
    chart = bar_chart("c", "t", "m", points)
    assert len(chart.points) == count
    assert all(bar.x >= 0 and bar.x + bar.width <= 100.01 for bar in chart.bars)
    assert all(0 <= tick.at <= 100 for tick in chart.ticks)
    assert len(chart.ticks) <= 7
    assert bool(chart.before) == bool(count)


def test_the_curve_encloses_the_gini_coefficient() -> None:
    values = [0, 1, 1, 2, 5, 11]
    curve = lorenz(values)
    assert curve is not None
    corners = [tuple(map(float, point.split(","))) for point in curve.points.split()]
    below = sum(
        (x2 - x1) * ((100 - y1) + (100 - y2)) / 2 for (x1, y1), (x2, y2) in pairwise(corners)
    )
    assert 1 - 2 * below / 10_000 == pytest.approx(gini(values), abs=1e-3)
    assert lorenz([]) is None
    assert lorenz([0, 0]) is None


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.012, "1.2 %"),
        (0.0996, "10 %"),
        (0.5, "50 %"),
        (1, "100 %"),
    ],
)
def test_a_share_is_written(value: float | None, written: str) -> None:
    assert share(value) == written


@pytest.mark.parametrize(
    ("now", "before", "written"),
    [
        (3, 0, "\N{EN DASH}"),
        (3, None, "\N{EN DASH}"),
        (None, 3, "\N{EN DASH}"),
        (3, 3, "no change"),
        (112, 100, "+12 %"),
        (50, 100, "\N{MINUS SIGN}50 %"),
        (0, 3, "\N{MINUS SIGN}100 %"),
        (996, 1000, "\N{MINUS SIGN}0.4 %"),
        (10_049, 10_000, "+0.5 %"),
        (9_999, 10_000, "about the same"),
        (5000, 10, "500 times"),
    ],
)
def test_a_change_is_written(now: int | None, before: int | None, written: str) -> None:
    assert change(now, before) == written


def test_no_change_is_written_as_nothing() -> None:
    """Neither as `+0 %` nor as `-0.0 %`, whatever the numbers are."""
    for before in (7, 100, 1234, 99_999):
        for now in range(max(0, before - 120), before + 120):
            written = change(now, before)
            assert written.strip("+\N{MINUS SIGN}") not in ("0 %", "0.0 %")
            assert (written == "no change") == (now == before)
            if written[0] in "+\N{MINUS SIGN}":
                assert direction(now, before) == ("up" if written[0] == "+" else "down")


@pytest.mark.parametrize(
    ("now", "before", "written", "way"),
    [
        (0.5, 0.47, "+3 points", "up"),
        (0.474, 0.47, "+0.4 points", "up"),
        (0.46, 0.47, "\N{MINUS SIGN}1 point", "down"),
        (0.2, 0.325, "\N{MINUS SIGN}12 points", "down"),
        (0.47, 0.47, "no change", "same"),
        (0.4701, 0.47, "about the same", "same"),
    ],
)
def test_a_share_changes_by_points(now: float, before: float, written: str, way: str) -> None:
    assert (points(now, before), points_direction(now, before)) == (written, way)


def test_an_axis_names_days_that_people_think_in() -> None:
    def named(first: date, days: int, step: int = 1) -> list[date]:
        starts = [first + timedelta(days=number) for number in range(0, days, step)]
        return [starts[place] for place in sorted(labelled(starts))]

    first = date(2026, 10, 30)
    assert named(first, 7) == [first + timedelta(days=number) for number in range(7)]
    assert {day.weekday() for day in named(first, 30)} == {0}
    assert [day.day for day in named(first, 90)] == [1, 15, 1, 15, 1, 15]
    assert {day.day for day in named(first, 365)} == {1}
    for days in (1, 8, 31, 36, 101, 400, 1000, 3660):
        assert 1 <= len(named(first, days)) <= 15
    weeks = named(date(2026, 10, 26), 365, step=7)
    assert {day.month for day in weeks if day.day > 25 or day.day == 1} == {
        day.month for day in weeks
    }


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("as it is", "as it is"),
        (90, "90"),
        (None, "\N{EN DASH}"),
        ([], "[]"),
        (["a", "b"], "a, b"),
        ([1, {"a": 2}], '[1, {"a": 2}]'),
        ({}, "{}"),
        ({"tags": ["a"], "rate_max": 90}, "tags: a · rate_max: 90"),
        ({"deep": {"a": 1}}, '{"deep": {"a": 1}}'),
        ("x" * 500, "x" * 399 + "…"),
    ],
)
def test_what_a_browser_sent_is_written(value: Any, written: str) -> None:
    assert value_text(value) == written
