"""The properties that events of a type have: what can be asked of `explore`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tcs_events.counts.conditions import value_key
from tcs_events.counts.days import day
from tcs_events.counts.steps import Step
from tcs_events.event_types.event_type import EventType
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.explore.question import COUNTED, OF_NUMBERS
from tcs_events.reports.explore.values import is_numeric, shown_value, value_text
from tcs_events.reports.names import Rows, look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.seen import can_be_named, newest_properties

LOOKED_AT = 2_000
"""How many of the newest events are looked at: a tenth of a second with large payloads."""
MAX_PROPERTIES = 200
TYPICAL = 8
"""The most values that are shown of a property."""
VALUES_COUNTED = 500
"""The most different values that are counted of a property; more are those of an id."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property of the payloads of an event type."""

    name: str
    """What `by` and conditions call it: `plan`, or `room.city` for `city` in the object `room`."""
    is_declared: bool
    """Whether the event type declares it, in its schema, `break_down` or `add_up`."""
    is_number: bool
    """Whether it can be added up and averaged: it is in `add_up`, or most of its values are
    numbers."""
    share: float | None
    """The share of the events that were looked at which have it, 0 to 1; None without events."""
    values: list[Any] = field(default_factory=list)
    """Typical values: the most frequent ones, at most 8."""
    different: int = 0
    """How many different values were seen, at most 500."""


PROPERTY_COLUMNS: Columns = (
    Column("name", "Property", "the name of the property"),
    Column("share", "Of events", "share of the newest events that have it", "share"),
    Column("different", "Values", "different values in the newest events, at most 500", "count"),
    Column(
        "values",
        "Such as",
        "the most frequent values",
        value=lambda row: ", ".join(map(value_text, row.values)),
    ),
)


@dataclass(slots=True)
class _Seen:
    events: int = 0
    numbers: int = 0
    values: Counter[Any] = field(default_factory=Counter)
    shown: dict[Any, Any] = field(default_factory=dict)


def properties(reading: Reading, period: Period, event_type: str) -> Rows[Property]:  # noqa: D417
    """Return the properties of an event type: those of its declaration first, then those seen.

    The declared ones are in this order: `break_down`, `add_up`, the other fields of the schema. The
    others come from the newest 2,000 events of the period, those that most events have first.

    Args:
        period: the days.
        event_type: the type of the events.

    Raises:
        UnknownEventType: a `ValueError`; the type is neither accepted nor stored.
        QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
    """
    role = reading.refresher.meaning.roles.get(event_type)
    declared = reading.settings.event_types.get(event_type)
    names = _declared(declared) if declared else []
    seen: dict[str, _Seen] = {}
    looked_at = 0
    with reading.events() as connection:
        notices = look_at_names(reading, connection, [Step(event_type)])
        times = day(period.first, reading.zone).start, day(period.last, reading.zone).end
        for found in newest_properties(connection, event_type, LOOKED_AT, times):
            looked_at += 1
            for name, value in found:
                if name not in seen and len(seen) >= MAX_PROPERTIES:
                    continue
                one = seen.setdefault(name, _Seen())
                one.events += 1
                one.numbers += is_numeric(value)
                key = value_key(value, name, role)
                if key in one.values or len(one.values) < VALUES_COUNTED:
                    one.values[key] += 1
                    one.shown.setdefault(key, shown_value(value, name, role))
    others = [name for name in seen if name not in names]
    names += sorted(others, key=lambda name: (-seen[name].events, name))
    adds_up = declared.add_up if declared else ()
    return Rows(
        [
            Property(
                name,
                declared is not None and name in _declared(declared),
                name in adds_up or 2 * one.numbers > one.events,
                one.events / looked_at if looked_at else None,
                [one.shown[key] for key, _ in one.values.most_common(TYPICAL)],
                len(one.values),
            )
            for name in names
            for one in [seen.get(name, _Seen())]
        ],
        notices,
    )


def measures_of(found: Iterable[Property]) -> list[str]:
    """Return the texts of all measures that there are for these properties."""
    numbers = [one.name for one in found if one.is_number]
    return [*COUNTED, *(f"{kind}({name})" for name in numbers for kind in OF_NUMBERS)]


def _declared(event_type: EventType) -> list[str]:
    names = [*event_type.break_down, *event_type.add_up]
    if event_type.schema is not None:
        stored = event_type.schema().dump_fields.items()
        names += [each.data_key or name for name, each in stored]
    return list(filter(can_be_named, dict.fromkeys(names)))
