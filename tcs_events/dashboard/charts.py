"""The geometry of charts, in percent of their width and height. Templates draw them as SVG.

With percentages a chart fits any width, and its text is never scaled.

We draw them ourselves because every chart library for browsers draws with JavaScript: without it
there is no chart at all, and here the chart is in the HTML. The small ones, uPlot and Chart.js,
draw on a canvas, in which a screen reader finds no bars, a style sheet no colours for dark mode,
and a printer only pixels. The ones that draw SVG are many times larger than all files of the
dashboard together. Each would be one more file to keep up to date in every host. What the pages
need are bars, a line, ticks and a tooltip: this module, its template and 30 lines of script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, log10

from tcs_events.dashboard.formats import count

TOP, BOTTOM, SMALL_BOTTOM = 10.0, 88.0, 78.0
"""Top and bottom of the plot, measured from above. The axis labels are below it."""
MAX_TICKS, SMALL_MAX_TICKS = 5, 3


@dataclass(frozen=True)
class Point:
    """A value of a chart and its labels."""

    label: str
    """The full label: `12 Oct 2026`."""
    tick: str
    """The short label for the axis: `12 Oct`; "" for none."""
    value: float
    before: float | None = None
    """The value at the same place in the previous period."""
    details: tuple[str, ...] = ()
    """Further lines of its tooltip."""
    is_over: bool = True
    """Whether its time is over. If not, its value may still grow, and its bar is paler."""
    args: dict[str, object] | None = None
    """The URL parameters that narrow a page down to it; None for none."""


@dataclass(frozen=True)
class Bar:
    """A bar, and its slot: the full-height area that shows its tooltip."""

    point: Point
    slot_x: float
    slot_width: float
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True)
class Tick:
    """A label of an axis. `anchor` is SVG's `text-anchor`: `start`, `middle` or `end`."""

    at: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True)
class BarChart:
    """Bars over time, with the previous period as a line."""

    chart_id: str
    title: str
    counts: str
    """What the bars count: `Visits`."""
    means: str
    """The same in more words: `visits with at least one such event`."""
    bars: list[Bar]
    lines: list[Tick]
    """The grid lines, from the top down."""
    ticks: list[Tick]
    before: str
    """The points of the previous period's line; "" for none."""
    bottom: float
    """The position of the axis, from above."""

    @property
    def points(self) -> list[Point]:
        """The values, for the table below the chart."""
        return [bar.point for bar in self.bars]

    @property
    def is_over(self) -> bool:
        """Whether no value can still grow."""
        return all(point.is_over for point in self.points)


def bar_chart(
    chart_id: str,
    title: str,
    means: str,
    points: Sequence[Point],
    *,
    counts: str = "Visits",
    is_small: bool = False,
) -> BarChart:
    """Return a chart of values over time, oldest first."""
    bottom = SMALL_BOTTOM if is_small else BOTTOM
    has_before = any(point.before is not None for point in points)
    top = scale(max((max(point.value, point.before or 0) for point in points), default=0))
    slot = 100 / max(1, len(points))
    gap = min(slot * 0.28, 0.6)

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * value / top

    bars = [
        Bar(
            point,
            slot_x=_round(number * slot),
            slot_width=_round(slot),
            x=_round(number * slot + gap / 2),
            width=_round(slot - gap),
            y=_round(y(point.value)),
            height=_round(bottom - y(point.value)),
        )
        for number, point in enumerate(points)
    ]
    middles = (((number + 0.5) * slot, point) for number, point in enumerate(points))
    before = " ".join(f"{_round(x)},{_round(y(point.before or 0))}" for x, point in middles)
    lines = [Tick(_round(y(value)), short_count(value), "end") for value in (top, top // 2)]
    return BarChart(
        chart_id,
        title,
        counts,
        means,
        bars,
        lines,
        _ticks(points, SMALL_MAX_TICKS if is_small else MAX_TICKS),
        before if has_before else "",
        bottom,
    )


def _ticks(points: Sequence[Point], most: int) -> list[Tick]:
    """Label the points that have a tick; if these are too many, every second, third and so on."""
    named = [place for place, point in enumerate(points) if point.tick]
    step = ceil(len(named) / most)
    return [_tick(points, place) for place in named[:: step or 1]]


def _tick(points: Sequence[Point], place: int) -> Tick:
    at = _round((place + 0.5) * 100 / len(points))
    # Near an edge a label in the middle of its bar would reach over the chart.
    anchor = "start" if at < 4 else "end" if at > 96 else "middle"
    return Tick(at, points[place].tick, anchor)


def labelled(starts: Sequence[date]) -> set[int]:
    """Return the places of the days or weeks that an axis names: those that people think in.

    They are all of a few, else Mondays, else the 1st and the 15th, else the first of months.
    """
    if len(starts) <= 7:
        return set(range(len(starts)))
    days = (starts[-1] - starts[0]).days
    if days <= 35:
        return {place for place, start in enumerate(starts) if start.weekday() == 0}
    named: tuple[int, ...] = (1, 15) if days <= 100 else (1,)
    months = next(step for step in (1, 2, 3, 6, 12) if days / 30 / step <= 14 or step == 12)
    ends = [*starts[1:], starts[-1] + timedelta(days=1)]
    return {
        place
        for place, (start, end) in enumerate(zip(starts, ends, strict=True))
        if any(
            day.day in named and (day.month - 1) % months == 0
            for day in (start + timedelta(days=step) for step in range((end - start).days))
        )
    }


def short_count(value: int) -> str:
    """Return a number for an axis: `1,200`, `12k`, `1.5M`."""
    if value < 10_000:
        return count(value)
    return f"{value / 1000:g}k" if value < 1_000_000 else f"{value / 1_000_000:g}M"


def scale(highest: float) -> int:
    """Return the smallest round even number that is at least `highest`: 2, 4, 6, 8, 10, 20, 30."""
    if highest <= 2:
        return 2
    power = 10 ** floor(log10(highest))
    return next(
        int(step * power)
        for step in (1, 2, 3, 4, 5, 6, 8, 10)
        if step * power >= highest and step * power % 2 == 0
    )


@dataclass(frozen=True)
class Lorenz:
    """A Lorenz curve: the share of all exposure that the least exposed items have together."""

    points: str
    lower_half: float
    """The share of the less exposed half of the items, 0 to 1."""


def lorenz(values: Sequence[int]) -> Lorenz | None:
    """Return the Lorenz curve of the values; None if there are none or all are 0."""
    if not (total := sum(values)):
        return None
    points, so_far = ["0,100"], 0
    ranked = sorted(values)
    for rank, value in enumerate(ranked, start=1):
        so_far += value
        points.append(f"{_round(100 * rank / len(ranked))},{_round(100 - 100 * so_far / total)}")
    return Lorenz(" ".join(points), sum(ranked[: len(ranked) // 2]) / total)


def _round(value: float) -> float:
    return round(value, 3)
