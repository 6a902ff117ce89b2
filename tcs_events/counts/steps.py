"""The steps of a funnel, and how they are written as text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tcs_events.counts.filters import active_filters
from tcs_events.counts.ids import id_text
from tcs_events.event_types.roles import Role, Roles

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
_FIELD = re.compile(r"[^=<>!,\[\]]+")
_CONDITION = re.compile(
    r"(?P<field>[^=<>!,\[\]]+?)\s*(?P<operator>>=|<=|!=|=|>|<)\s*(?P<value>[^,]*)"
)
_END_OF_VALUE = re.compile(r"\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field of the payload must be. A payload without the field never meets it.

    A field that the role of the event type names as the item is compared as in reports, so that 7
    and "7" are the same. In a field that it names as the filters, those that are off do not count:
    `filters={}` means that no filter is on.

    Raises:
        ValueError: the field contains one of `=<>!,[]`, or has spaces around it; or the operator is
            not one of those below; or the value is not a JSON value.
    """

    field: str
    operator: str
    """One of `=`, `!=`, `<`, `<=`, `>`, `>=`."""
    value: Any

    def __post_init__(self) -> None:
        if not _FIELD.fullmatch(self.field) or self.field != self.field.strip():
            raise ValueError(
                f"{self.field!r} is not a valid field: it must not contain any of =<>!,[] or have"
                " spaces around it"
            )
        if self.operator not in OPERATORS:
            operators = " ".join(OPERATORS)
            raise ValueError(f"{self.operator!r} is not an operator: use one of {operators}")
        if not _is_json(self.value):
            raise ValueError(f"{self.value!r} is not a JSON value, so no payload can have it")

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{_value_text(self.value)}"

    def holds(self, payload: Mapping[str, Any], role: Role | None = None) -> bool:
        """Return whether a payload meets it. `<` and the like compare numbers only.

        Args:
            payload: that of an event.
            role: what the event's type means; None for nothing.
        """
        if self.field not in payload:
            return False
        value = payload[self.field]
        if self.operator == "=":
            return self._is_equal(value, role)
        if self.operator == "!=":
            return not self._is_equal(value, role)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            return False
        return bool(
            {
                "<": value < self.value,
                "<=": value <= self.value,
                ">": value > self.value,
                ">=": value >= self.value,
            }[self.operator]
        )

    def _is_equal(self, value: Any, role: Role | None) -> bool:
        if self.field == getattr(role, "item", None) and (item := id_text(self.value)):
            return id_text(value) == item  # "7" and 7 are the same item
        if self.field == getattr(role, "filters", None) and isinstance(self.value, dict):
            return isinstance(value, dict) and active_filters(value) == active_filters(self.value)
        # In Python True == 1, in JSON they differ.
        return bool(value == self.value and isinstance(value, bool) == isinstance(self.value, bool))


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
    text that contains a comma or a bracket as JSON: `"a, b"`.

    Raises:
        ValueError: the text is not a step.
    """
    event_type, bracket, rest = text.strip().partition("[")
    if not event_type.strip() or "]" in event_type or (bracket and not rest.endswith("]")):
        raise ValueError(f"{text!r} is not a step: write event_type or event_type[field=value]")
    try:
        return Step(event_type.strip(), tuple(_conditions(rest[:-1])))
    except RecursionError:
        raise ValueError("a value of this step has too many nested brackets") from None


def _conditions(text: str) -> Iterator[Condition]:
    place = 0
    while place < len(text):
        if text[place] == "," or text[place].isspace():
            place += 1
            continue
        match = _CONDITION.match(text, place)
        if match is None:
            part = text[place:].split(",")[0].strip()
            raise ValueError(
                f"{part!r} is not a condition: write field=value, or use !=, <, <=, >, >="
            )
        value, place = _value(text, match.start("value"), match.end())
        yield Condition(match["field"].strip(), match["operator"], value)


def _value(text: str, start: int, comma: int) -> tuple[Any, int]:
    """Return a value, and the index after it. It ends at the next comma outside of JSON."""
    if text[start : start + 1] in ('"', "[", "{"):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except ValueError:
            pass
        else:
            if _is_json(value) and (match := _END_OF_VALUE.match(text, end)):
                return value, match.end()
    plain = text[start:comma].strip()
    if "[" in plain or "]" in plain:
        raise ValueError(f'{plain!r} contains brackets: write it as JSON, "in quotes"')
    return _scalar(plain), comma


def _scalar(text: str) -> Any:
    try:
        value = _DECODER.decode(text)
    except ValueError:
        return text
    return value if _is_json(value) else text


def _value_text(value: Any) -> str:
    """Return the text that `_value` reads as this value, without quotes if it needs none."""
    if (
        isinstance(value, str)
        and value.isprintable()
        and value == value.strip()
        and not re.search(r"""^["{=<>!]|[,\[\]]""", value)
        and isinstance(_scalar(value), str)
    ):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _is_json(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(map(_is_json, value))
        case dict():
            return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | str)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


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
