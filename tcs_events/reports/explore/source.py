"""What `explore` asks of a place that has the events, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tcs_events.reports.explore.question import Question
from tcs_events.reports.period import Period


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, and how far off it may be."""

    number: float | None
    """The measure: a whole number where something is counted. None for an average or a median of no
    numbers, and for a sum that is too large for a float."""
    margin: float | None = None
    """In an estimate, the true number is within this distance in 95 of 100 cases. None if exact."""


@dataclass(frozen=True, slots=True)
class Group:
    """What is measured of some events: those with one value of the property, or several values."""

    events: int
    """The number of the events. In an estimate it is the estimate."""
    whole: Measured
    """The measure over the whole period. Visitors count once, however many days they came on."""
    series: list[Measured] = field(default_factory=list)
    """The measure in each interval, oldest first; empty without an interval. Visitors count once in
    each interval. An interval without events has 0, or None for an average or a median."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The answer of a source."""

    rows: list[tuple[Any, Group]]
    """The values with a row of their own, at most `limit`, and what is measured of each. Empty
    without `by`.

    Values are JSON values as `shown_value` gives them. A property that is missing is None, as is
    one that is null. Equal values, by `value_key`, are one value. The first rows are those with the
    largest measure. For averages and medians, they are those with the most events: the largest
    averages are those of rare values. Then come those with the most events, and then by
    `order_text` of the value.
    """
    other: Group | None
    """All values that have no row of their own, together. None if there are none. A visitor with
    several of them counts once."""
    other_values: int
    """How many values have no row of their own."""
    total: Group
    """All events that meet the conditions. A visitor with several values counts once, so the rows
    may add up to more."""
    sampled: float | None = None
    """The share of the visitors whose events were read, for an estimate. None if exact."""
    counted_at: datetime | None = None
    """Up to when the events are counted, if the answer is from counts. None if they were read."""


class Source(Protocol):
    """A place that has the events, or their counts: the database, or files of closed days."""

    def tally(self, question: Question, period: Period) -> Tally:
        """Return what the question asks about the days of a period.

        The events are those of `question.event_type`, with a `created_at` in the period's days in
        the zone of the reports, of no session that is marked as a crawler, and of sessions that
        `who` means. Of these, the payload meets each condition of `question.where` by
        `Condition.holds(payload, question.role)`.

        - events: their number.
        - visitors: the number of their different session ids.
        - visits: the number of their different pairs of session id and day.
        - sum, average, median: of the numbers that `number_of` finds in `measure.field`. Events
          without one are left out. The median of an even number of numbers is the mean of the two
          in the middle.

        An interval is a day, or a week that starts on Monday; the first one starts with the period.

        Raises:
            QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
        """
        ...
