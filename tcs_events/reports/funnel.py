"""How many visitors go on from one step to the next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tcs_events.reports.period import Period
from tcs_events.reports.reading import reading_events, this_registration
from tcs_events.rollups.days import date_in, day
from tcs_events.rollups.events import events_between

_STEP = re.compile(r"(?P<event_type>[^\[\]]+)(?:\[(?P<conditions>[^\[\]]*)\])?")
_CONDITION = re.compile(r"(?P<field>[^=<>!]+?)\s*(?P<operator>>=|<=|!=|=|>|<)\s*(?P<value>.*)")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field of the payload must be like. A field that is not there meets none."""

    field: str
    operator: str
    """One of `=`, `!=`, `<`, `<=`, `>`, `>=`."""
    value: Any

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a payload meets it. Things that have no order are not in any."""
        if self.field not in payload:
            return False
        found = payload[self.field]
        # To Python true is 1; to JSON it is not.
        is_equal = found == self.value and isinstance(found, bool) == isinstance(self.value, bool)
        if self.operator == "=":
            return is_equal
        if self.operator == "!=":
            return not is_equal
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            return False
        return bool(
            {
                "<": found < self.value,
                "<=": found <= self.value,
                ">": found > self.value,
                ">=": found >= self.value,
            }[self.operator]
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a funnel: an event of a type whose payload meets all conditions."""

    event_type: str
    conditions: Sequence[Condition] = field(default=())

    def __str__(self) -> str:
        conditions = ", ".join(f"{one.field}{one.operator}{one.value}" for one in self.conditions)
        return self.event_type + (f"[{conditions}]" if conditions else "")

    def matches(self, event_type: str, payload: Mapping[str, Any]) -> bool:
        """Return whether an event is this step."""
        return event_type == self.event_type and all(
            condition.holds(payload) for condition in self.conditions
        )


def step(text: str) -> Step:
    """Read a step: `card_click`, `sage_query[result_count>0]`, `card_click[context=grid, x=1]`.

    A value is JSON where it can be read as such (`0`, `true`, `"0"`), else text.

    Raises:
        ValueError: the text is no step.
    """
    match = _STEP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no step: write event_type or event_type[field=value]")
    parts = [part for part in (match["conditions"] or "").split(",") if part.strip()]
    return Step(match["event_type"].strip(), tuple(_condition(part) for part in parts))


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no condition: write field=value, or !=, <, <=, >, >=")
    try:
        value = json.loads(match["value"])
    except ValueError:
        value = match["value"]
    return Condition(match["field"].strip(), match["operator"], value)


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """How many got as far as a step. Counts are sessions, each once a day."""

    step: Step
    sessions: int
    of_first: float | None
    """The part of those at the first step, 0 to 1; None where there were none."""
    of_previous: float | None
    """The part of those at the step before, 0 to 1; None at the first, or where there were none."""


def funnel(period: Period, steps: Sequence[Step]) -> list[FunnelStep]:
    """Return how many sessions of a day took the steps, in their order, with anything in between.

    Reads the events themselves, those of the types of the steps: it takes longer the more there
    are of them.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("a funnel has at least one step")
    reached = [0] * len(steps)
    zone = this_registration().settings.timezone
    start, end = day(period.first, zone).start, day(period.last, zone).end
    with reading_events() as connection:
        events = events_between(connection, start, end, {one.event_type for one in steps})
        for _, session in groupby(events, key=lambda event: (event[0], date_in(zone, event[3]))):
            taken = 0
            for _, event_type, payload, _ in session:
                if taken < len(steps) and steps[taken].matches(event_type, payload):
                    reached[taken] += 1
                    taken += 1
    return [
        FunnelStep(
            one,
            sessions,
            sessions / reached[0] if reached[0] else None,
            sessions / reached[place - 1] if place and reached[place - 1] else None,
        )
        for place, (one, sessions) in enumerate(zip(steps, reached, strict=True))
    ]
