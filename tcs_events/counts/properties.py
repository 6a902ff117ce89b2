"""Counts events by the values of declared properties, and adds up the numbers of others.

An event type declares them as `break_down` and `add_up`. The counts of two parts of a day's
sessions can be added. Events that are added later only make counts larger, so what is too much to
be counted stays too much, in whatever order the events come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tcs_events.counts.conditions import value_at
from tcs_events.counts.tables import VALUE_MAX_LENGTH
from tcs_events.counts.text import cut
from tcs_events.counts.values import number_of, order_text, shown_value
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.roles import Role, Roles
from tcs_events.strict_json import MAX_NUMBER

if TYPE_CHECKING:
    from tcs_events.counts.facts import Seen

UNIT = 2**80
"""Sums are whole numbers of 1/2^80. So they are those of the numbers themselves, without rounding:
the float 0.1 is not a tenth, and a sum of tenths would not be what `explore` adds up."""
MAX_VALUES = 1_000
"""The most different values of a property on a day. With more, none of them is counted."""
ALL_VALUES = ""
"""The property, and its value, that stand for all events of a type."""
UNCOUNTED = "uncounted"
"""In place of a value, which is JSON: what is not in the counts."""


class Declared(NamedTuple):
    """The properties of an event type that are counted."""

    break_down: tuple[str, ...]
    add_up: tuple[str, ...]


DeclaredProperties = Mapping[str, Declared]
"""The declared properties by event type. A type that declares none is not in it."""
NOTHING_DECLARED: DeclaredProperties = {}


def declared_properties(event_types: EventTypes) -> DeclaredProperties:
    """Return the properties of each event type that are counted.

    A name that is too long for the table is left out.
    """
    found = {
        name: Declared(_names(each.break_down), _names(each.add_up))
        for name, each in event_types.items()
    }
    return {name: declared for name, declared in found.items() if any(declared)}


def _names(fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(fields) if name == cut(name))


@dataclass(slots=True)
class Sum:
    """Events, and the sum of their numbers."""

    events: int = 0
    total: int = 0
    """In units of 1/2^80. It may be less than zero."""


SumKey = tuple[str, str, str, str]
"""Event type, property, value and added field. The value is JSON; the field is "" for all events
with the value, else the sum is that of the events with a number in the field."""


class SumsByValue:
    """The sums of one property, by value and added field."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Sum]] | None = {}
        """None if there are too many values, or one that cannot be stored."""

    def count(self, value: str | None, numbers: Mapping[str, int]) -> None:
        """Count an event.

        Args:
            value: that of the property, None if it cannot be stored.
            numbers: those of the added fields, in units.
        """
        if (sums := self._sums_of(value)) is None:
            return
        _add(sums, "", 1, 0)
        for name, number in numbers.items():
            _add(sums, name, 1, number)

    def add(self, other: SumsByValue) -> None:
        """Add the sums of other events."""
        if other.sums is None:
            self.sums = None
            return
        for value, of_fields in other.sums.items():
            if (sums := self._sums_of(value)) is None:
                return
            for name, more in of_fields.items():
                _add(sums, name, more.events, more.total)

    def _sums_of(self, value: str | None) -> dict[str, Sum] | None:
        if self.sums is None:
            return None
        sums = None if value is None else self.sums.get(value)
        if sums is None:
            if value is None or len(self.sums) == MAX_VALUES:
                self.sums = None
                return None
            sums = self.sums[value] = {}
        return sums


def _add(sums: dict[str, Sum], name: str, events: int, total: int) -> None:
    sum_ = sums.get(name)
    if sum_ is None:
        sum_ = sums[name] = Sum()
    sum_.events += events
    sum_.total += total


class PropertyCounts:
    """The sums of all declared properties."""

    def __init__(self) -> None:
        self._properties: dict[tuple[str, str], SumsByValue] = {}
        """By event type and property."""
        self._odd: Counter[tuple[str, str]] = Counter()
        """Numbers that are not exact in units, by event type and field."""

    def counted(
        self, events: Iterable[Seen], declared: DeclaredProperties, roles: Roles
    ) -> Iterator[Seen]:
        """Yield the events, and count each of them."""
        for event in events:
            if (of_type := declared.get(event.event_type)) is not None:
                self._count(event, of_type, roles.get(event.event_type))
            yield event

    def _count(self, event: Seen, declared: Declared, role: Role | None) -> None:
        event_type, payload, _ = event
        numbers: dict[str, int] = {}
        for name in declared.add_up:
            number = number_of(payload, name)
            if number is None:
                continue
            if (units := _units(number)) is None:
                self._odd[event_type, name] += 1
            else:
                numbers[name] = units
        self._of(event_type, ALL_VALUES).count(ALL_VALUES, numbers)
        for name in declared.break_down:
            value = _value_text(shown_value(value_at(payload, name), name, role))
            self._of(event_type, name).count(value, numbers)

    def add(self, other: PropertyCounts) -> None:
        """Add the sums of other events."""
        for (event_type, name), sums in other._properties.items():
            self._of(event_type, name).add(sums)
        self._odd.update(other._odd)

    def _of(self, event_type: str, name: str) -> SumsByValue:
        key = event_type, name
        sums = self._properties.get(key)
        if sums is None:
            sums = self._properties[key] = SumsByValue()
        return sums

    def sums(self) -> dict[SumKey, Sum]:
        """Return all sums.

        A property that cannot be counted has one with the value `UNCOUNTED` and one event. So has a
        field, under the property "", with the number of events that are in none of its sums.
        """
        found: dict[SumKey, Sum] = {
            (event_type, ALL_VALUES, UNCOUNTED, name): Sum(events)
            for (event_type, name), events in self._odd.items()
        }
        for (event_type, name), by_value in self._properties.items():
            if by_value.sums is None:
                found[event_type, name, UNCOUNTED, ""] = Sum(1)
                continue
            for value, of_fields in by_value.sums.items():
                for added, sum_ in of_fields.items():
                    found[event_type, name, value, added] = sum_
        return found


def _units(number: float) -> int | None:
    """Return a number in units, None if it is too large or too small for that."""
    numerator, denominator = number.as_integer_ratio()
    if denominator > UNIT or abs(number) > MAX_NUMBER:
        return None
    return numerator * (UNIT // denominator)


def _value_text(value: Any) -> str | None:
    """Return a value as JSON, None if that is too long, or not the only one of equal values."""
    if not isinstance(value, str) and _has_large_number(value):
        return None  # 2^60 and 2.0^60 are equal
    text = order_text(value)
    return text if len(text) <= VALUE_MAX_LENGTH else None


def _has_large_number(value: Any) -> bool:
    if isinstance(value, int | float):
        return not abs(value) <= MAX_NUMBER  # NaN is not in order with anything
    if isinstance(value, list):
        return any(map(_has_large_number, value))
    return isinstance(value, dict) and any(map(_has_large_number, value.values()))
