"""How far visitors come through a funnel whose steps may be days apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tcs_events.counts.funnels import places_by_type
from tcs_events.counts.steps import Step
from tcs_events.event_types.roles import Roles


class Entry(NamedTuple):
    """A first step."""

    at: datetime
    value: Any
    """The value that the funnel is broken down by."""


Course = tuple[Entry, *tuple[datetime, ...]]
"""The first step, and the times of the steps that followed, as far as they did."""


class Taken(NamedTuple):
    """An event that is at least one step."""

    at: datetime
    id: int
    places: list[int]
    """The indexes of these steps, the last one first."""
    value: Any


class StepFinder:
    """Tells which steps of a funnel an event is.

    Args:
        steps: those of the funnel.
        roles: what the event types mean.
    """

    def __init__(self, steps: Sequence[Step], roles: Roles) -> None:
        self._steps, self._roles = steps, roles
        self._places = dict(places_by_type(steps))
        self.with_conditions = {step.event_type for step in steps if step.conditions}
        """The event types whose payload decides."""

    @property
    def types(self) -> Collection[str]:
        """The event types of the steps."""
        return self._places.keys()

    def places(self, event_type: str, payload: Mapping[str, Any]) -> list[int]:
        """Return the indexes of the steps that an event is, the last one first.

        Args:
            event_type: that of the event.
            payload: that of the event. Any will do if the type is not one `with_conditions`.
        """
        return [
            place
            for place in self._places.get(event_type, ())
            if self._steps[place].matches(event_type, payload, self._roles)
        ]


class FurthestCourse:
    """Finds how far a visitor came, event by event. Events are not kept in memory.

    All first steps count, and the one that got furthest is the one that is told. Of several that
    got as far, it is the latest. For each step this remembers the latest first step from which it
    was reached: if a later step is in time for any first step, it is for this one.
    """

    def __init__(self, steps: int, within: timedelta) -> None:
        self._courses: list[Course | None] = [None] * steps
        self._within = within

    def take(self, event: Taken) -> None:
        """Go on by the next event, in the order of time."""
        courses = self._courses
        for place in event.places:  # the last step first: so one event is not also the step after
            if place == 0:
                courses[0] = (Entry(event.at, event.value),)
                continue
            before, now = courses[place - 1], courses[place]
            if before is None or event.at - before[0].at > self._within:
                continue
            if now is None or now[0] is not before[0]:
                courses[place] = (*before, event.at)

    def course(self) -> Course | None:
        """Return the course that got furthest; None if the visitor did not take the first step."""
        return next((course for course in reversed(self._courses) if course), None)


def seconds_of(course: Course) -> list[float]:
    """Return the seconds from the first step to each of the others that followed."""
    entry, *later = course
    return [(at - entry.at).total_seconds() for at in later]
