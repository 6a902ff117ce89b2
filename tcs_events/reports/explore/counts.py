"""Answers questions about declared properties from the counts of days, without their events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import COUNTED_FROM, COUNTED_UNTIL
from tcs_events.counts.properties import ALL_VALUES, UNCOUNTED, UNIT, Declared
from tcs_events.counts.time_limit import check_time, in_time, time_of
from tcs_events.errors import NotCounted, QuestionTimeout, TableMissing
from tcs_events.reports.explore import files
from tcs_events.reports.explore.cells import places_of, rank_of, starts_of
from tcs_events.reports.explore.question import Measure, Question
from tcs_events.reports.explore.source import Group, Measured, Source, Tally
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import EXACT_SHARE

COUNTED_MEASURES = ("events", "sum", "average")


def source_of(reading: Reading) -> Source:
    """Return where questions are answered: from the counts, or else from the events."""
    return Counts(reading, files.source_of(reading))


def answers(question: Question, declared: Declared | None) -> bool:
    """Return whether the counts answer a question.

    Args:
        question: what is asked.
        declared: the properties of the event type that are counted.
    """
    by, measure = question.by, question.measure
    return (
        declared is not None
        and not question.where
        and question.who is None
        and measure.kind in COUNTED_MEASURES
        and (by is None or by in declared.break_down)
        and (measure.field is None or measure.field in declared.add_up)
    )


@dataclass(frozen=True)
class Counts:
    """The counts of declared properties as a source, and another one for what they do not have."""

    reading: Reading
    events: Source
    """The source that reads the events."""

    def tally(self, question: Question, period: Period) -> Tally:
        """Return what `Source.tally` says. Counts may be a minute old, as in other reports."""
        declared = self.reading.refresher.meaning.declared.get(question.event_type)
        if answers(question, declared):
            # The events may be read all the same, such as in a database that is read-only.
            with suppress(NotCounted, QuestionTimeout, TableMissing, sa.exc.DBAPIError):
                tally = self.counted(question, period)
                if tally is not None:
                    return tally
        return self.events.tally(question, period)

    def counted(self, question: Question, period: Period) -> Tally | None:
        """Return the answer of the counts to a question that they answer.

        None if a day of the period must be counted again, or has too many values of the property,
        or a number that its sums cannot hold, or if other processes count with other declarations.

        Raises:
            NotCounted: somebody waits for the answer, and there is too much to be counted.
            QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
            TableMissing: the database has not all of our tables.
        """
        with self.reading.counts(share=EXACT_SHARE) as connection:
            state = connection.execute(sa.select(tables.state)).one_or_none()
            ours = self.reading.refresher.configuration
            if (
                state is None
                or (state.version, state.zone) != ours
                or not _is_counted(connection, period)
            ):
                return None
            cells = _cells(connection, question, period)
            if cells is None:
                return None
            tally = _Answer(question, period, cells).tally(time_of(connection))
            return replace(tally, counted_at=state.refreshed_at)


def _is_counted(connection: Connection, period: Period) -> bool:
    """Return whether the counts of each day are those of its events. Other days have no events."""
    if period.first <= COUNTED_FROM.date() or period.last >= COUNTED_UNTIL.date():
        return False
    days = tables.days.c
    is_in_period = days.day.between(period.first, period.last)
    stale = sa.select(days.day).where(is_in_period, days.is_stale).limit(1)
    return connection.execute(stale).first() is None


@dataclass(slots=True)
class _Cell:
    """The events of one value in one interval."""

    events: int = 0
    numbers: int = 0
    """The events with a number."""
    total: int = 0
    """The sum of the numbers, in units."""


_Places = Mapping[int, _Cell]
"""Cells by the place of their interval."""


def _cells(
    connection: Connection, question: Question, period: Period
) -> dict[tuple[str, str], _Places] | None:
    """Return the cells by property and value; None if something is not counted."""
    rows = tables.properties.c
    properties = [name for name in (ALL_VALUES, question.by) if name is not None]
    added = [name for name in ("", question.measure.field) if name is not None]
    query = sa.select(
        rows.day, rows.property, rows.value, rows.added, rows.events, rows.total
    ).where(
        rows.event_type == question.event_type,
        rows.property.in_(properties),
        rows.added.in_(added),
        rows.day.between(period.first, period.last),
    )
    place_of = places_of(period, question.interval)
    cells: dict[tuple[str, str], dict[int, _Cell]] = defaultdict(lambda: defaultdict(_Cell))
    for day, name, value, field, events, total in in_time(connection, connection.execute(query)):
        if value == UNCOUNTED:
            return None
        cell = cells[name, value][place_of[day]]
        if field:
            cell.numbers += events
            cell.total += total
        else:
            cell.events += events
    return dict(cells)


class _Answer:
    """One answer, made from cells."""

    def __init__(
        self, question: Question, period: Period, cells: Mapping[tuple[str, str], _Places]
    ) -> None:
        self._question, self._cells = question, cells
        self._places = len(starts_of(period, question.interval))

    def tally(self, until: float | None) -> Tally:
        """Return the answer.

        Raises:
            OutOfTime: it was `until`, a `monotonic()` time.
        """
        whole = self._cells.get((ALL_VALUES, ALL_VALUES))
        total = self._group([whole] if whole else [])
        if self._question.by is None:
            return Tally([], None, 0, total)
        ranks: dict[tuple[str, str], tuple[float, int, str]] = {}
        for key, places in self._cells.items():
            check_time(until)
            if key[0] == self._question.by:
                group = self._group([places], has_series=False)
                ranks[key] = rank_of(self._question.measure, group, key[1])
        ranked = sorted(ranks, key=ranks.__getitem__)
        shown, rest = ranked[: self._question.limit], ranked[self._question.limit :]
        rows: list[tuple[Any, Group]] = [
            (json.loads(key[1]), self._group([self._cells[key]])) for key in shown
        ]
        other = self._group([self._cells[key] for key in rest]) if rest else None
        return Tally(rows, other, len(rest), total)

    def _group(self, every: Iterable[_Places], *, has_series: bool = True) -> Group:
        every = list(every)
        whole = _together(cell for places in every for cell in places.values())
        series = [
            _together(places[place] for places in every if place in places)
            for place in range(self._places if has_series else 0)
        ]
        measure = self._question.measure
        return Group(whole.events, _measured(whole, measure), [
            _measured(cell, measure) for cell in series
        ])  # fmt: skip


def _together(cells: Iterable[_Cell]) -> _Cell:
    all_cells = _Cell()
    for cell in cells:
        all_cells.events += cell.events
        all_cells.numbers += cell.numbers
        all_cells.total += cell.total
    return all_cells


def _measured(cell: _Cell, measure: Measure) -> Measured:
    if measure.kind == "events":
        return Measured(cell.events)
    total = cell.total / UNIT  # rounded once, like the sum of the numbers themselves
    if measure.kind == "sum":
        return Measured(total)
    return Measured(total / cell.numbers if cell.numbers else None)
