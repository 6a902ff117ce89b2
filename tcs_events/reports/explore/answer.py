"""How much there was of an event type, by a property of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from tcs_events.counts.conditions import Condition, Where
from tcs_events.counts.steps import Step
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.explore.cells import starts_of
from tcs_events.reports.explore.counts import source_of
from tcs_events.reports.explore.question import Interval, question_of
from tcs_events.reports.explore.source import Group
from tcs_events.reports.explore.values import NOT_SET, value_text
from tcs_events.reports.names import look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import estimate_notice
from tcs_events.reports.who import Who

LIMIT = 20


@dataclass(frozen=True, slots=True)
class ExploreRow:
    """The events with one value of a property, or with several."""

    kind: Literal["value", "other", "total"]
    """"value" for one value, "other" for all that have no row of their own, "total" for all."""
    value: Any
    """The value, as JSON has it. None if the property is missing or null, and for other rows."""
    number: float | None
    """What is measured: a whole number if something is counted. None for an average or a median of
    no numbers."""
    margin: float | None
    """In an estimate, the true number is within this distance in 95 of 100 cases. None if exact."""
    share: float | None
    """The share of the total, 0 to 1. None for an average or a median, and of a total of 0. The
    shares of visitors may add up to more than 1: a visitor may have several values."""
    events: int
    """The number of its events."""
    series: list[float | None] = field(default_factory=list)
    """The number in each interval; empty without an interval."""
    series_margins: list[float | None] = field(default_factory=list)
    """The margin of each number in `series`."""

    @property
    def name(self) -> str:
        """The value as text for people."""
        return {"value": value_text(self.value), "other": "Other", "total": "Total"}[self.kind]


@dataclass(frozen=True, slots=True)
class Explored:
    """The answer of `explore`, with the question as it was understood."""

    event_type: str
    by: str | None
    where: list[str]
    """The conditions as texts, such as `price>=10`."""
    who: Who | None
    measure: str
    interval: Interval | None
    starts_on: list[date]
    """The first day of each interval. A week starts on Monday, the first one with the period."""
    rows: list[ExploreRow]
    """At most `limit` values: those with the largest number. For averages and medians, the values
    with the most events."""
    other: ExploreRow | None
    """All other values together; None if there are none."""
    other_values: int
    """How many other values there are. In an estimate: how many were seen."""
    total: ExploreRow
    """All events together. A visitor with several values counts once."""
    is_estimate: bool
    """Whether the numbers are estimates from some visitors."""
    sampled: float | None
    """The share of the visitors that an estimate is made from; None if it is exact."""
    counted_at: datetime | None
    """Up to when the events are counted, in UTC, if the answer is from the counts of declared
    properties. None if the events were read."""
    notices: list[str]
    """Sentences for the reader, such as "No booking_done event has a property plna; did you mean
    plan?" """

    def all_rows(self) -> list[ExploreRow]:
        """Return the rows, the other row if there is one, and the total."""
        return [*self.rows, *([self.other] if self.other else []), self.total]


EXPLORE_COLUMNS: Columns = (
    Column(
        "value",
        "Value",
        f"the value of the property, {NOT_SET} for events without it",
        value=lambda row: row.name,
    ),
    Column("number", "Measured", "what is measured, over the whole period", "number"),
    Column(
        "margin",
        "Margin",
        "in an estimate, the true number is within this distance in 95 of 100 cases",
        "number",
    ),
    Column("share", "Share", "share of the total; a visitor may have several values", "share"),
    Column("events", "Events", "events with this value", "count"),
    Column("kind", "Kind", "value, other or total", is_extra=True),
)


def explore(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    period: Period,
    event_type: str,
    by: str | None = None,
    where: Where = None,
    who: Who | None = None,
    measure: str = "visitors",
    interval: Interval | None = None,
    limit: int = LIMIT,
) -> Explored:
    """Return how much there was of an event type, by a property of its events.

        reports.explore(reports.last_days(30), "booking_done", by="plan", measure="sum(price)")

    Events, sums and averages of a type that declares the properties as `break_down` and `add_up`
    are read from counts, if neither `where` nor `who` is given: `counted_at` says how old they are.

    For all else the events themselves are read: those of closed days from their files, if
    `TCS_EVENTS_DAY_FILES` keeps any, and all others from the database. If half of
    `TCS_EVENTS_REPORT_TIMEOUT_MS` is not enough for that, the answer is an estimate from all events
    of some visitors: `is_estimate` is True, and each number has its margin.

    Args:
        period: the days.
        event_type: the type of the events.
        by: the property whose values become rows. `room.city` is the `city` within the object
            `room`. None for the total alone.
        where: what the events must be: `{"plan": "pro", "city": ["Rome", "Oslo"]}`, in which a list
            means one of its values, or texts such as `["price>=10"]`, or `Condition`s.
        who: only visitors who are new in the period, returning, or known by an e-mail address or
            user id.
        measure: `visitors`, `visits`, `events`, or `sum(price)`, `average(price)`, `median(price)`
            of a property with numbers. Events without a number are left out of the last three.
        interval: "day" or "week", for a series of each row.
        limit: the most values with a row, 1 to 10,000, with an interval to 100. The others are
            counted together.

    Raises:
        UnknownEventType: a `ValueError`; the type is neither accepted nor stored.
        ValueError: an argument is not one of the above.
        QuestionTimeout: there was not even time for an estimate.
        NotCounted: a page waits for it, and the counts that it needs are not there yet.
    """
    declared = reading.settings.event_types.get(event_type)
    role = reading.refresher.meaning.roles.get(event_type)
    question = question_of(event_type, by, where, who, measure, interval, limit, role)
    named = [name for name in (by, question.measure.field) if name is not None]
    asked = Step(event_type, (*question.where, *(Condition(name, "=", None) for name in named)))
    with reading.events() as connection:
        notices = look_at_names(reading, connection, [asked])
    if declared is not None and declared.deprecated:
        notices.append(f"The type {event_type} is deprecated: pages should not send it any more.")
    tally = source_of(reading).tally(question, period)
    if tally.sampled is not None:
        is_by_choice = reading.most_events is not None
        notices.append(estimate_notice(tally.sampled, is_by_choice=is_by_choice))
    whole = tally.total.whole.number if question.measure.adds_up else None
    return Explored(
        event_type,
        by,
        [str(condition) for condition in question.where],
        who,
        str(question.measure),
        interval,
        starts_of(period, interval),
        [_row("value", value, group, whole) for value, group in tally.rows],
        None if tally.other is None else _row("other", None, tally.other, whole),
        tally.other_values,
        _row("total", None, tally.total, whole),
        tally.sampled is not None,
        tally.sampled,
        tally.counted_at,
        notices,
    )


def _row(
    kind: Literal["value", "other", "total"], value: Any, group: Group, whole: float | None
) -> ExploreRow:
    number = group.whole.number
    return ExploreRow(
        kind,
        value,
        number,
        group.whole.margin,
        number / whole if whole and number is not None else None,
        group.events,
        [measured.number for measured in group.series],
        [measured.margin for measured in group.series],
    )
