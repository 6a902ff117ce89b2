"""Adds up events by value and interval, and measures them: exactly, or for all from a sample."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date
from math import ceil, floor, fsum
from statistics import median
from typing import Any, NamedTuple

from tcs_events.counts.conditions import value_key
from tcs_events.counts.days import monday_of
from tcs_events.counts.time_limit import check_time
from tcs_events.reports.estimates import margin_of_total
from tcs_events.reports.explore.question import Interval, Measure, Question
from tcs_events.reports.explore.source import Group, Measured, Tally
from tcs_events.reports.explore.values import order_text
from tcs_events.reports.margins import UNSEEN, spread
from tcs_events.reports.period import MAX_DAYS, Period


class Matched(NamedTuple):
    """What is counted of an event that meets the conditions."""

    session_id: str
    day: date
    value: Any
    """That of `by`, as `shown_value` gives it."""
    number: float | None
    """That of the measure's property, None if it has none or the measure needs none."""


def starts_of(period: Period, interval: Interval | None) -> list[date]:
    """Return the first days of the intervals. The first week may begin within a week."""
    if interval is None:
        return []
    return sorted({_start(day, period, interval) for day in period.dates()})


def places_of(period: Period, interval: Interval | None) -> dict[date, int]:
    """Return the place of each day's interval among all, 0 without an interval."""
    if interval is None:
        return dict.fromkeys(period.dates(), 0)
    places = {start: place for place, start in enumerate(starts_of(period, interval))}
    return {day: places[_start(day, period, interval)] for day in period.dates()}


def rank_of(measure: Measure, group: Group, text: str) -> tuple[float, int, str]:
    """Return what rows are sorted by: as `Tally.rows` says.

    Args:
        measure: what is measured.
        group: the events with the value.
        text: the `order_text` of the value.
    """
    number = group.whole.number or 0
    return -number if measure.adds_up else 0, -group.events, text


def _start(day: date, period: Period, interval: Interval) -> date:
    return day if interval == "day" else max(monday_of(day), period.first)


@dataclass(slots=True)
class _Cell:
    """The events of one value in one interval."""

    events: int = 0
    units: set[int] = field(default_factory=set)
    """Visitors or visits as numbers: `MAX_DAYS` numbers for each visitor."""
    owners: array[int] = field(default_factory=lambda: array("q"))
    """The visitor of each event, or of each number if there are any."""
    numbers: array[float] = field(default_factory=lambda: array("d"))


class Cells:
    """Takes events one by one.

    Args:
        question: what is asked.
        period: the days of the events.
    """

    def __init__(self, question: Question, period: Period) -> None:
        self._question, self._measure = question, question.measure
        self._first = period.first
        self._starts = starts_of(period, question.interval)
        self._place_of = places_of(period, question.interval)
        self._sessions: dict[str, int] = {}
        self._values: dict[Hashable, Any] = {}
        self._cells: dict[Hashable, dict[int, _Cell]] = defaultdict(lambda: defaultdict(_Cell))

    def add(self, event: Matched) -> None:
        """Count an event."""
        value = event.value
        key = value if isinstance(value, str) else value_key(value, "")
        if key not in self._values:
            self._values[key] = value
        cell = self._cells[key][self._place_of[event.day]]
        cell.events += 1
        session = self._sessions.setdefault(event.session_id, len(self._sessions)) * MAX_DAYS
        match self._measure.kind:
            case "visitors":
                cell.units.add(session)
            case "visits":
                cell.units.add(session + (event.day - self._first).days)
            case "events":
                cell.owners.append(session)
            case _ if event.number is not None:
                cell.owners.append(session)
                cell.numbers.append(event.number)

    def tally(self, sampled: float | None = None, until: float | None = None) -> Tally:
        """Return what the events that were added say.

        Args:
            sampled: the share of the visitors that were read, for an estimate of all; None if all
                were read.
            until: the `monotonic()` time at which to stop, None for no limit.

        Raises:
            OutOfTime: there are so many values that the time was over.
        """
        measure = _Measuring(self._measure, sampled)
        everything = self._group(self._cells, measure)
        if self._question.by is None:
            return Tally([], None, 0, everything, sampled)
        ranks = {}
        for key in self._cells:
            check_time(until)
            # The series are left out: there may be very many values, and a few of them are shown.
            group = self._group([key], measure, has_series=False)
            ranks[key] = rank_of(self._measure, group, order_text(self._values[key]))
        ranked = sorted(ranks, key=ranks.__getitem__)
        shown, rest = ranked[: self._question.limit], ranked[self._question.limit :]
        return Tally(
            [(self._values[key], self._group([key], measure)) for key in shown],
            self._group(rest, measure) if rest else None,
            len(rest),
            everything,
            sampled,
        )

    def _group(
        self, keys: Iterable[Hashable], measure: _Measuring, *, has_series: bool = True
    ) -> Group:
        cells = [self._cells[key] for key in keys]
        series = [
            _together(places[place] for places in cells if place in places)
            for place in range(len(self._starts) if has_series else 0)
        ]
        whole = _together(cell for places in cells for cell in places.values())
        return Group(
            measure.scaled(whole.events), measure.of(whole), [measure.of(cell) for cell in series]
        )


def _together(cells: Iterable[_Cell]) -> _Cell:
    all_cells = _Cell()
    for cell in cells:
        all_cells.events += cell.events
        all_cells.units |= cell.units
        all_cells.owners += cell.owners
        all_cells.numbers += cell.numbers
    return all_cells


@dataclass(frozen=True, slots=True)
class _Measuring:
    """Measures cells. Margins are those of a sample of whole visitors, each drawn by itself."""

    measure: Measure
    sampled: float | None

    def scaled(self, count: int) -> int:
        return count if self.sampled is None else round(count / self.sampled)

    def of(self, cell: _Cell) -> Measured:
        match self.measure.kind:
            case "visitors" | "visits":
                return self._counted(len(cell.units), [unit // MAX_DAYS for unit in cell.units])
            case "events":
                return self._counted(cell.events, cell.owners)
            case "sum":
                return self._sum(cell)
            case "average":
                return self._average(cell)
            case _:
                return self._median(cell)

    def _counted(self, count: int, owners: Iterable[int]) -> Measured:
        if self.sampled is None:
            return Measured(count)
        if not count:
            return Measured(0, UNSEEN / self.sampled)
        per_visitor: dict[int, float] = defaultdict(float)
        for owner in owners:
            per_visitor[owner] += 1
        return Measured(self.scaled(count), margin_of_total(per_visitor.values(), self.sampled))

    def _sum(self, cell: _Cell) -> Measured:
        total = _exact_sum(cell.numbers)
        if self.sampled is None or total is None:
            return Measured(total)
        per_visitor: dict[int, float] = defaultdict(float)
        for owner, number in zip(cell.owners, cell.numbers, strict=True):
            per_visitor[owner] += number
        return Measured(total / self.sampled, margin_of_total(per_visitor.values(), self.sampled))

    def _average(self, cell: _Cell) -> Measured:
        total = _exact_sum(cell.numbers)
        if total is None or not cell.numbers:
            return Measured(None)
        average = total / len(cell.numbers)
        off = [number - average for number in cell.numbers]
        return Measured(average, self._margin_of_share(cell, off))

    def _median(self, cell: _Cell) -> Measured:
        if not cell.numbers:
            return Measured(None)
        ordered = sorted(cell.numbers)
        middle = median(ordered)
        # The median of all is between two numbers of the sample: those as far from its middle as
        # the share of numbers up to the middle may be off.
        up_to = sum(number <= middle for number in ordered) / len(ordered)
        off = [(number <= middle) - up_to for number in cell.numbers]
        share = self._margin_of_share(cell, off)
        if share is None:
            return Measured(middle)
        last = len(ordered) - 1
        low = ordered[max(0, floor(last * (0.5 - share)))]
        high = ordered[min(last, ceil(last * (0.5 + share)))]
        return Measured(middle, max(middle - low, high - middle))

    def _margin_of_share(self, cell: _Cell, off: Iterable[float]) -> float | None:
        """Return the margin of an average, from how far each number is off it."""
        if self.sampled is None:
            return None
        per_visitor: dict[int, float] = defaultdict(float)
        for owner, distance in zip(cell.owners, off, strict=True):
            per_visitor[owner] += distance
        return self._spread(list(per_visitor.values())) / len(cell.numbers)

    def _spread(self, parts: list[float]) -> float:
        return spread(fsum(part * part for part in parts), len(parts), self.sampled or 1)


def _exact_sum(numbers: array[float]) -> float | None:
    """Return the sum, rounded once; so it does not depend on the order of the numbers."""
    try:
        return fsum(numbers)
    except OverflowError:
        return None
