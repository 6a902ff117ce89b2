"""A question about the events of one type, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tcs_events.counts.conditions import Condition, Where, check_field, conditions_of
from tcs_events.event_types.roles import Role
from tcs_events.reports.who import Who

Kind = Literal["visitors", "visits", "events", "sum", "average", "median"]
Interval = Literal["day", "week"]
COUNTED: tuple[Kind, ...] = ("visitors", "visits", "events")
OF_NUMBERS: tuple[Kind, ...] = ("sum", "average", "median")
MAX_LIMIT = 10_000
MAX_SERIES = 100
"""The most rows of an answer with an interval: each has a number for every day."""
_MEASURE = re.compile(rf"({'|'.join(OF_NUMBERS)})\s*\((.+)\)")


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured of the events. `str()` gives the text that `measure_of` reads."""

    kind: Kind
    field: str | None = None
    """The property whose numbers are added up or averaged; None for what is counted."""

    def __str__(self) -> str:
        return self.kind if self.field is None else f"{self.kind}({self.field})"

    @property
    def adds_up(self) -> bool:
        """Whether a part of it is a share of the whole. An average is not."""
        return self.kind not in ("average", "median")


@dataclass(frozen=True, slots=True)
class Question:
    """Which events, split by which property, and what is measured of them."""

    event_type: str
    by: str | None
    """The property whose values become rows; None for no rows, only the total."""
    where: tuple[Condition, ...]
    who: Who | None
    measure: Measure
    interval: Interval | None
    limit: int
    """The most values with a row of their own."""
    role: Role | None
    """What the event type means, for `Condition.holds` and `value_key`."""


def question_of(
    event_type: str,
    by: str | None,
    where: Where,
    who: Any,
    measure: str,
    interval: Any,
    limit: int,
    role: Role | None,
) -> Question:
    """Return the question if it can be asked.

    Raises:
        ValueError: it cannot. The message names the argument and says what it may be.
    """
    if by is not None:
        check_field(by)
    _check_choice("who", who, get_args(Who))
    _check_choice("interval", interval, get_args(Interval))
    most = MAX_LIMIT if interval is None else MAX_SERIES
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        with_interval = " with an interval" if interval else ""
        raise ValueError(f"limit must be a whole number from 1 to {most}{with_interval}")
    conditions = conditions_of(where)
    return Question(event_type, by, conditions, who, measure_of(measure), interval, limit, role)


def measure_of(text: str) -> Measure:
    """Read a measure: `visitors`, `visits`, `events`, `sum(price)`, or an average or a median.

    Raises:
        ValueError: it is none of these.
    """
    if text in COUNTED:
        return Measure(text)
    match = _MEASURE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            f"measure must be one of {', '.join(COUNTED)}, sum(price), average(price) and"
            f" median(price), with a property of yours, not {text!r}"
        )
    check_field(field := match[2].strip())
    return Measure(match[1], field)  # type: ignore[arg-type] # the pattern has no other kind


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise ValueError(f"{name} must be {', '.join(choices)} or None, not {value!r}")
