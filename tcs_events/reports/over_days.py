"""How many visitors or persons go on from one step to the next, over hours, days or months."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from tcs_events.counts.conditions import Where, check_field, conditions_of, value_key
from tcs_events.counts.courses import Course, seconds_of
from tcs_events.counts.steps import Step
from tcs_events.counts.within import LONGEST, SHORTEST, text_of_within, within_of
from tcs_events.errors import QuestionTimeout
from tcs_events.reports import sampling
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.frequent import Frequent
from tcs_events.reports.kept_courses import read_kept
from tcs_events.reports.names import look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reached import PERS, FunnelPart, Per, Reached, ReachedByValue, ReachedStep
from tcs_events.reports.reading import Reading
from tcs_events.reports.stored_courses import CourseQuestion, StoredCourses
from tcs_events.reports.who import Who

MAX_VALUES = 10_000
"""The most values of a property whose counts are in memory at once."""


@dataclass(frozen=True, slots=True)
class PartStep(ReachedStep):
    """A row of a file: one step of one part of a funnel."""

    value: str
    kind: Literal["value", "other"]


OVER_DAYS_COLUMNS: Columns = (
    Column("step", "Step", "the event type and its conditions", value=lambda row: str(row.step)),
    Column("visitors", "Visitors", "visitors that reached the step, each counted once", "bar"),
    Column("persons", "Persons", "persons that reached the step, each counted once", "bar"),
    Column(
        "margin",
        "Margin",
        "in an estimate, the true number is within this distance in 95 of 100 cases",
        "number",
    ),
    Column("of_previous", "Of the step before", "share of those at the step before", "share"),
    Column("of_first", "Of the first", "share of those at the first step", "share"),
    Column(
        "first_quartile_seconds",
        "A quarter within",
        "the time since the first step within which a quarter of them took this one",
        "duration",
    ),
    Column(
        "median_seconds",
        "Half within",
        "the time since the first step within which half of them took this one",
        "duration",
    ),
    Column(
        "third_quartile_seconds",
        "Three quarters within",
        "the time since the first step within which three quarters of them took this one",
        "duration",
    ),
    Column(
        "of_previous_margin",
        "Margin of the step before",
        "in an estimate, the margin of the share of the step before",
        "number",
        is_extra=True,
    ),
    Column(
        "of_first_margin",
        "Margin of the first",
        "in an estimate, the margin of the share of the first step",
        "number",
        is_extra=True,
    ),
    Column(
        "median_margin_seconds",
        "Margin of half within",
        "in an estimate, the margin of the time within which half of them took this step",
        "number",
        is_extra=True,
    ),
)
PART_COLUMNS: Columns = (
    Column("value", "Value", "the value of the property in the first step"),
    Column("kind", "Kind", "whether it is one value, or all others together", is_extra=True),
    *OVER_DAYS_COLUMNS,
)


@dataclass(frozen=True, slots=True)
class FunnelOverDays:
    """A funnel whose steps may be days apart."""

    steps: list[ReachedStep]
    within: str
    """The time allowed between the first step and any other, such as `7d`."""
    per: Per
    """What is counted."""
    where: list[str]
    """The conditions on the first step besides its own, as texts such as `plan=pro`."""
    who: Who | None
    """Which visitors are counted; None for all."""
    break_down: str | None
    """The property of the first step that `broken_down` is about."""
    broken_down: list[FunnelPart]
    """The values with the most visitors or persons first, then the other values together."""
    is_estimate: bool
    """Whether the numbers are estimates from some visitors."""
    sampled: float | None
    """The share of the visitors or persons that an estimate is made from; None if it is exact."""
    counted_at: datetime | None
    """The time up to which the counts of a saved funnel are complete, in UTC; None if the events
    were read."""
    notices: list[str] = field(default_factory=list)
    """Sentences for the reader, such as one about a field that no event has."""

    def part_rows(self) -> list[PartStep]:
        """Return a row for each step of each part, for a file."""
        return [
            PartStep(
                **{each.name: getattr(row, each.name) for each in fields(row)},
                value=part.name,
                kind=part.kind,
            )
            for part in self.broken_down
            for row in part.steps
        ]


def time_allowed(
    within: str | timedelta | None,
    per: str,
    break_down: str | None,
    where: Where = None,
    who: Any = None,
) -> timedelta | None:
    """Check what is asked of a funnel besides its steps, and return the time allowed.

    Raises:
        ValueError: an argument is not allowed, or needs `within`.
    """
    if per not in PERS:
        raise ValueError(f"per is {per!r}; it is one of {', '.join(PERS)}")
    if who not in (None, *get_args(Who)):
        raise ValueError(f"who must be {', '.join(get_args(Who))} or None, not {who!r}")
    if break_down is not None:
        check_field(break_down)
    conditions = conditions_of(where)
    if within is not None:
        return within_of(within)
    if per != "visitor" or break_down is not None or conditions or who is not None:
        raise ValueError('per, break_down, where and who need the time allowed: within="7d"')
    return None


def funnel_over_days(
    reading: Reading,
    period: Period,
    steps: Sequence[Step],
    within: timedelta,
    per: Per,
    break_down: str | None,
    limit: int,
    where: Where = None,
    who: Who | None = None,
) -> FunnelOverDays:
    """Read a funnel from the stored events. See `funnel`."""
    if limit < 1:
        raise ValueError(f"limit is {limit}; it is at least 1")
    conditions = conditions_of(where)
    first, *others = steps
    narrowed = (Step(first.event_type, (*first.conditions, *conditions)), *others)
    with reading.events() as connection:
        of_first = [*([break_down] if break_down else []), *(each.field for each in conditions)]
        notices = look_at_names(reading, connection, steps, of_first)
    question = CourseQuestion(period, narrowed, within, per, break_down, who)
    tally, sampled = _Tally(steps, per, has_parts=break_down is not None), None
    counted_at = read_kept(reading, question, tally.whole.add)
    if counted_at is None:
        courses = StoredCourses(reading, question)
        chosen = courses.chosen_halvings()
        sampled = _count(courses, tally, chosen)
        if sampled is not None:
            is_by_choice = chosen > 0
            notices.append(sampling.estimate_notice(sampled, f"{per}s", is_by_choice=is_by_choice))
    return FunnelOverDays(
        tally.whole.rows(sampled),
        text_of_within(within),
        per,
        [str(condition) for condition in conditions],
        who,
        break_down,
        tally.parts.parts(limit, sampled),
        sampled is not None,
        sampled,
        counted_at,
        notices,
    )


class _Tally:
    """Counts courses, all of them and by value."""

    def __init__(self, steps: Sequence[Step], per: Per, *, has_parts: bool) -> None:
        self._steps, self._per, self._has_parts = steps, per, has_parts
        self.begin()

    def begin(self, kept: Collection[Hashable] | None = None) -> None:
        """Forget all courses.

        Args:
            kept: from now on, only the values with one of these `value_key`s are told apart. None
                tells all values apart, until there are too many.
        """
        self.whole = Reached(self._steps, self._per)
        self.parts = ReachedByValue(self._steps, self._per, kept)
        self.frequent = Frequent(MAX_VALUES)

    @property
    def has_all_values(self) -> bool:
        """Whether the courses have so few values that all are told apart."""
        return self.frequent.is_all and self.parts.kept is None

    def add(self, value: Any, seconds: Sequence[float]) -> None:
        """Count a course: the value of its first step, and the seconds to each other step."""
        self.whole.add(seconds)
        if not self._has_parts:
            return
        key = value_key(value, "")
        self.frequent.add(key)
        if self.parts.kept is not None or self.frequent.is_all:
            self.parts.add(key, value, seconds)


def _count(courses: StoredCourses, tally: _Tally, chosen: int) -> float | None:
    """Count all courses, or those of a sample, and return the share of the visitors in it.

    Args:
        courses: those of the question.
        tally: counts them.
        chosen: how often the visitors are halved from the start; 0 tries to read all.
    """
    attempt, halvings = sampling.Attempt(), chosen
    if not halvings:
        try:
            _read(lambda: courses.all(attempt), tally)
        except QuestionTimeout:
            needed = courses.halvings(attempt)
            if needed is None:
                raise
            halvings = needed + (not tally.has_all_values)  # else the sample is read twice, too
        else:
            return None
    _read(lambda: courses.sample(halvings), tally)
    return 2.0**-halvings


def _read(read: Callable[[], Generator[Course]], tally: _Tally) -> None:
    """Count courses: twice if they have too many values, to count the most frequent exactly."""
    tally.begin()
    _add(read(), tally)
    if not tally.has_all_values:
        tally.begin(tally.frequent.keys())
        _add(read(), tally)


def _add(courses: Generator[Course], tally: _Tally) -> None:
    with closing(courses):
        for course in courses:
            tally.add(course[0].value, seconds_of(course))


__all__ = [
    "LONGEST",
    "OVER_DAYS_COLUMNS",
    "PART_COLUMNS",
    "PERS",
    "SHORTEST",
    "FunnelOverDays",
    "FunnelPart",
    "PartStep",
    "Per",
    "ReachedStep",
    "funnel_over_days",
    "text_of_within",
    "time_allowed",
    "within_of",
]
