"""The form that a funnel's steps are chosen with, one condition in fields of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from werkzeug.datastructures import MultiDict

from tcs_events.counts.conditions import Condition, conditions_of
from tcs_events.dashboard.asked import BadParameter
from tcs_events.dashboard.filters import properties_of
from tcs_events.dashboard.parameters import checked
from tcs_events.event_types.event_type import EventTypes
from tcs_events.reports import Step
from tcs_events.reports.seen import Seen
from tcs_events.strict_json import loads

MAX_STEPS = 8
SHOWN_STEPS = 3
"""The fewest steps that the form has room for."""
FIELDS = ("step_type", "step_property", "step_operator", "step_value", "step_more")
"""The fields of a step. Without a script the form cannot write `step` itself."""


@dataclass(frozen=True)
class StepFields:
    """A step as the form shows it."""

    event_type: str = ""
    name: str = ""
    """The property of the first condition."""
    operator: str = "="
    value: str = ""
    more: str = ""
    """The other conditions."""
    properties: Sequence[str] = ()
    """The properties to choose from."""
    values_to_choose: Sequence[str] = ()
    """The values of the property to choose from."""


def typed_steps(args: MultiDict[str, str]) -> list[str] | None:
    """Return the steps that the form has sent as texts; None if it was not sent.

    Raises:
        BadParameter: a step is not one.
    """
    if FIELDS[0] not in args:
        return None
    columns = [args.getlist(name)[:MAX_STEPS] for name in FIELDS]
    steps = []
    for number, row in enumerate(zip_longest(*columns, fillvalue=""), start=1):
        event_type, name, operator, value, more = (
            checked(field, text) for field, text in zip(FIELDS, row, strict=True)
        )
        if not event_type:
            continue  # a row that was left empty, or emptied to remove the step
        try:
            first = [Condition(name, operator or "=", _typed(value, operator))] if name else []
            steps.append(str(Step(event_type, [*first, *conditions_of(more)])))
        except ValueError as error:
            raise BadParameter(f"Step {number} cannot be read: {error}.") from None
    return steps


def fields_of(
    steps: Sequence[Step], seen: Mapping[str, Seen], event_types: EventTypes
) -> list[StepFields]:
    """Return the rows of the form: the steps, and room for more of them.

    Args:
        steps: those that were asked for.
        seen: what events of their types have.
        event_types: those of the host, some of which declare their properties.
    """
    known = {
        name: sorted({*properties_of(event_types, name), *properties})
        for name, properties in seen.items()
    }
    rows = [_fields(step, known, seen) for step in steps]
    rows += [StepFields(properties=sorted(set().union(*known.values())))] * max(
        SHOWN_STEPS - len(rows), 1
    )
    return rows[:MAX_STEPS]


def break_downs_of(first: StepFields, event_types: EventTypes, chosen: str) -> dict[str, list[str]]:
    """Return the properties that a funnel can be broken down by, by event type.

    Those of its first step come first. The others are for whoever changes that step, too.

    Args:
        first: the first row of the form.
        event_types: those of the host.
        chosen: the property that the funnel is broken down by, which may be another one.
    """
    names = [*dict.fromkeys([*first.properties, *filter(None, [chosen])])]
    declared = {name: properties_of(event_types, name) for name in event_types}
    return {first.event_type: names} | declared | {first.event_type: names}


def _fields(step: Step, known: Mapping[str, list[str]], seen: Mapping[str, Seen]) -> StepFields:
    properties = known.get(step.event_type, [])
    if not step.conditions:
        return StepFields(step.event_type, properties=properties)
    first, *others = step.conditions
    return StepFields(
        step.event_type,
        first.field,
        first.operator,
        _value_text(first),
        ", ".join(map(str, others)),
        properties,
        [
            _value_text(Condition(first.field, "=", value))
            for value in seen.get(step.event_type, {}).get(first.field, [])
        ],
    )


def _typed(text: str, operator: str) -> Any:
    """Return a value as it is read in a step: as JSON if it is JSON, else as text."""
    if operator == "in" and not text.startswith("["):
        return [_typed(part.strip(), "=") for part in text.split(",") if part.strip()]
    try:
        return loads(text)
    except (ValueError, RecursionError):
        return text


def _value_text(condition: Condition) -> str:
    """Return the text that `_typed` reads as the value of a condition."""
    value, operator = condition.value, condition.operator
    for text in [value] if operator != "in" else [", ".join(map(str, value))]:
        # The form takes away the spaces around a text, and refuses control characters.
        if (
            isinstance(text, str)
            and text.isprintable()
            and text == text.strip()
            and _typed(text, operator) == value
        ):
            return text
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
