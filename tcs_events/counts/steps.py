"""The steps of a funnel, and how they are written as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tcs_events.counts.conditions import Condition, read_conditions
from tcs_events.event_types.roles import Roles


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a funnel: an event of a type whose payload meets all conditions.

    `str()` gives the text that `step` reads as the same step.

    Raises:
        ValueError: the type is empty, contains brackets, or has spaces around it.
    """

    event_type: str
    conditions: Sequence[Condition] = field(default=())

    def __post_init__(self) -> None:
        if not self.event_type.strip() or self.event_type != self.event_type.strip():
            raise ValueError(f"{self.event_type!r} is not a valid event type of a step")
        if "[" in self.event_type or "]" in self.event_type:
            raise ValueError(
                f"{self.event_type!r} is not a valid event type of a step: it contains brackets"
            )
        object.__setattr__(self, "conditions", tuple(self.conditions))

    def __str__(self) -> str:
        conditions = ", ".join(map(str, self.conditions))
        return self.event_type + (f"[{conditions}]" if conditions else "")

    def matches(
        self, event_type: str, payload: Mapping[str, Any], roles: Roles | None = None
    ) -> bool:
        """Return whether an event is this step.

        Args:
            event_type: that of the event.
            payload: that of the event.
            roles: what event types mean; None for nothing.
        """
        role = None if roles is None else roles.get(event_type)
        return event_type == self.event_type and all(
            condition.holds(payload, role) for condition in self.conditions
        )


def step(text: str) -> Step:
    """Read a step: `card_click`, `sage_query[result_count>0]`, `card_click[context=grid, x=1]`.

    A value is read as JSON if it is JSON (`0`, `true`, `"0"`, `["a", "b"]`), else as text. Write a
    text that contains a comma or a bracket as JSON: `"a, b"`. One of several values is
    `page in ["home", "shop"]`.

    Raises:
        ValueError: the text is not a step.
    """
    event_type, bracket, rest = text.strip().partition("[")
    if not event_type.strip() or "]" in event_type or (bracket and not rest.endswith("]")):
        raise ValueError(f"{text!r} is not a step: write event_type or event_type[field=value]")
    return Step(event_type.strip(), tuple(read_conditions(rest[:-1])))


def definition_of(steps: Sequence[Step]) -> str:
    """Return the steps as JSON that does not depend on the order of their conditions."""
    return json.dumps(
        [
            [
                funnel_step.event_type,
                sorted(
                    (
                        [condition.field, condition.operator, condition.value]
                        for condition in funnel_step.conditions
                    ),
                    key=lambda condition: json.dumps(condition, sort_keys=True),
                ),
            ]
            for funnel_step in steps
        ],
        sort_keys=True,
        separators=(",", ":"),
    )


def steps_of(definition: str) -> tuple[Step, ...]:
    """Return the steps of a definition."""
    return tuple(
        Step(event_type, tuple(Condition(*condition) for condition in conditions))
        for event_type, conditions in json.loads(definition)
    )
