"""Counts how many visitors reached each step of a funnel: exactly, or for all from a sample."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, get_args

from tcs_events.counts.steps import Step
from tcs_events.reports.explore.values import order_text, value_text
from tcs_events.reports.margins import margin_of_count, margin_of_quantile, margin_of_share

Per = Literal["visitor", "person"]
PERS: tuple[Per, ...] = get_args(Per)


@dataclass(frozen=True, slots=True)
class ReachedStep:
    """How many visitors or persons reached a step, and how long it took them.

    In an estimate, the true number, share or median is within its margin in 95 of 100 cases.
    """

    step: Step
    visitors: int | None
    """How many visitors; None if persons are counted."""
    persons: int | None
    """How many persons; None if visitors are counted."""
    margin: float | None
    """In an estimate, the margin of their number. None if exact."""
    of_first: float | None
    """The share of those at the first step, 0 to 1; None if there were none."""
    of_first_margin: float | None
    """In an estimate, the margin of this share. None if exact, and at the first step."""
    of_previous: float | None
    """The share of those at the step before, 0 to 1; None at the first, or without any."""
    of_previous_margin: float | None
    """In an estimate, the margin of this share. None if exact."""
    first_quartile_seconds: float | None
    """The time from the first step to this one within which a quarter of them took it. None at the
    first step, or if nobody took this one."""
    median_seconds: float | None
    """The time within which half of them took it."""
    third_quartile_seconds: float | None
    """The time within which three quarters of them took it."""
    median_margin_seconds: float | None
    """In an estimate, the margin of the median. None if exact."""

    @property
    def count(self) -> int:
        """How many visitors or persons, whichever are counted."""
        return (self.persons if self.visitors is None else self.visitors) or 0


@dataclass(frozen=True, slots=True)
class FunnelPart:
    """The part of a funnel whose first step had one value of a property."""

    kind: Literal["value", "other"]
    """"value" for one value, "other" for all that have no row of their own."""
    value: Any
    """The value, as JSON has it. None if the property is missing or null, and for the other row."""
    steps: list[ReachedStep]

    @property
    def name(self) -> str:
        """The value as text for people."""
        return "Other" if self.kind == "other" else value_text(self.value)


class Reached:
    """Counts visitors or persons by how far they got.

    Args:
        steps: those of the funnel.
        per: what is counted.
    """

    def __init__(self, steps: Sequence[Step], per: Per) -> None:
        self._steps, self._per = steps, per
        self._reached = [0] * len(steps)
        self._seconds = [array("d") for _ in steps]

    @property
    def began(self) -> int:
        """How many took the first step."""
        return self._reached[0]

    def add(self, seconds: Sequence[float]) -> None:
        """Count one that took the first step, and the others after so many seconds."""
        self._reached[0] += 1
        for place, after in enumerate(seconds, start=1):
            self._reached[place] += 1
            self._seconds[place].append(after)

    def merge(self, other: Reached) -> None:
        """Count all that another has counted."""
        for place, seconds in enumerate(other._seconds):
            self._reached[place] += other._reached[place]
            self._seconds[place].extend(seconds)

    def rows(self, sampled: float | None = None) -> list[ReachedStep]:
        """Return a row for each step.

        Args:
            sampled: the share of the visitors or persons that were counted, for an estimate of all;
                None if all were.
        """
        return [self._row(place, sampled) for place in range(len(self._steps))]

    def _row(self, place: int, sampled: float | None) -> ReachedStep:
        reached, first = self._reached[place], self._reached[0]
        previous = self._reached[place - 1] if place else 0
        seconds = sorted(self._seconds[place])
        number = reached if sampled is None else round(reached / sampled)
        first_quartile, half, third_quartile = (_within_which(seconds, n / 4) for n in (1, 2, 3))
        return ReachedStep(
            self._steps[place],
            number if self._per == "visitor" else None,
            number if self._per == "person" else None,
            None if sampled is None else margin_of_count(reached, sampled),
            reached / first if first else None,
            _share_margin(reached, first, sampled) if place else None,
            reached / previous if previous else None,
            _share_margin(reached, previous, sampled),
            first_quartile,
            half,
            third_quartile,
            _median_margin(seconds, sampled),
        )


class ReachedByValue:
    """Counts visitors or persons by the value that their first step had.

    Args:
        steps: those of the funnel.
        per: what is counted.
        kept: the `value_key`s of the values that are told apart; None for all values.
    """

    def __init__(
        self, steps: Sequence[Step], per: Per, kept: Collection[Hashable] | None = None
    ) -> None:
        self._steps, self._per, self.kept = steps, per, kept
        self._values: dict[Hashable, tuple[Any, Reached]] = {}
        self._others = Reached(steps, per)

    def add(self, key: Hashable, value: Any, seconds: Sequence[float]) -> None:
        """Count one whose first step had a value with this `value_key`, as `Reached.add` does."""
        if self.kept is not None and key not in self.kept:
            self._others.add(seconds)
            return
        if key not in self._values:
            self._values[key] = value, Reached(self._steps, self._per)
        self._values[key][1].add(seconds)

    def parts(self, limit: int, sampled: float | None = None) -> list[FunnelPart]:
        """Return at most `limit` values, those with the most first, and the others together."""
        ranked = sorted(
            self._values.values(), key=lambda part: (-part[1].began, order_text(part[0]))
        )
        parts = [
            FunnelPart("value", value, reached.rows(sampled)) for value, reached in ranked[:limit]
        ]
        for _, reached in ranked[limit:]:
            self._others.merge(reached)
        if self._others.began:
            parts.append(FunnelPart("other", None, self._others.rows(sampled)))
        return parts


def _within_which(seconds: Sequence[float], share: float) -> float | None:
    """Return the shortest time within which at least this share of them took the step."""
    return seconds[ceil(share * len(seconds)) - 1] if seconds else None


def _share_margin(reached: int, of: int, sampled: float | None) -> float | None:
    return margin_of_share(reached, of, sampled) if of and sampled is not None else None


def _median_margin(seconds: Sequence[float], sampled: float | None) -> float | None:
    if sampled is None or not seconds:
        return None
    number = len(seconds)
    return margin_of_quantile(seconds, 0.5, margin_of_share(ceil(number / 2), number, sampled))
