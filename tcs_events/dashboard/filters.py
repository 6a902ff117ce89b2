"""The filters in the query string. They narrow down what a page counts, and stay from page to page.

`type=booking_done`, `where=plan=pro` (up to `MAX_WHERE` of them) and `who=new`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from werkzeug.datastructures import MultiDict

from tcs_events.counts.conditions import Condition, conditions_of
from tcs_events.dashboard.formats import value_text
from tcs_events.dashboard.parameters import BadParameter, checked, checked_texts
from tcs_events.event_types.event_type import EventTypes
from tcs_events.reports.who import Who

Kind = Literal["type", "where", "who"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""The URL parameters of filters, in the order in which they are shown."""
WHO_WORDS: dict[Who, str] = {
    "new": "new visitors",
    "returning": "returning visitors",
    "known": "known visitors",
}
OPERATOR_WORDS = {
    "=": "is",
    "!=": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
    "in": "is one of",
}
ADDED = ("where_property", "where_is", "where_value")
"""The fields of the form that adds a condition. Without a script it cannot write `where` itself."""
MAX_WHERE = 8


@dataclass(frozen=True)
class Chip:
    """A filter as it is shown, and how to take it away."""

    kind: Kind
    words: str
    without: dict[str, object]
    """The URL parameters to change so that the filter is gone; None removes a parameter."""


@dataclass(frozen=True)
class Filters:
    """What the URL narrows the counts down to. All of them must hold."""

    event_type: str = ""
    """The type of the events; "" for all."""
    where: tuple[Condition, ...] = ()
    """Conditions on properties of the payload."""
    who: Who | None = None
    implied_type: str = ""
    """The type that the conditions are about if the URL names none: the one that the page shows."""

    is_about_others: bool = False
    """Whether the conditions are about another type than the page, which then leaves them out."""

    @property
    def followed_where(self) -> tuple[Condition, ...]:
        """The conditions that the page follows."""
        return () if self.is_about_others else self.where

    @property
    def type_of_conditions(self) -> str:
        """The type of the events that the conditions are about; "" if nothing says so."""
        return self.event_type or self.implied_type

    def implying(self, event_type: str) -> Filters:
        """Return the same with a type for conditions that come without one."""
        is_needed = self.where and not self.event_type
        return replace(self, implied_type=event_type) if is_needed else self

    @property
    def args(self) -> dict[str, object]:
        """The filters as URL parameters. Conditions keep the type that they are about."""
        event_type = self.type_of_conditions
        args = {"type": event_type, "where": [*map(str, self.where)], "who": self.who}
        return {name: value for name, value in args.items() if value}

    def args_of(self, kinds: Iterable[str]) -> dict[str, object]:
        """Return the URL parameters of these kinds of filter only."""
        followed = self._followed(kinds)
        return {name: value for name, value in self.args.items() if name in followed}

    @property
    def chips(self) -> list[Chip]:
        """The filters in words."""
        chips = [Chip("type", f"type is {self.event_type}", {"type": None})]
        for place, condition in enumerate(self.where):
            others = [str(other) for other in self.where[:place] + self.where[place + 1 :]]
            without: dict[str, object] = {"where": others}
            if self.implied_type and not others:
                without["type"] = None
            chips.append(Chip("where", in_words(condition), without))
        if self.who:
            chips.append(Chip("who", WHO_WORDS[self.who], {"who": None}))
        return chips if self.event_type else chips[1:]

    def beyond(self, kinds: Iterable[str]) -> list[Chip]:
        """Return the filters that a page cannot follow, if it follows these kinds only."""
        followed = self._followed(kinds)
        return [chip for chip in self.chips if chip.kind not in followed]

    def _followed(self, kinds: Iterable[str]) -> set[str]:
        return set(kinds) - ({"where"} if self.is_about_others else set())


NO_FILTERS = Filters()


def in_words(condition: Condition) -> str:
    """`price>=10` → `price is at least 10`."""
    operator, value = OPERATOR_WORDS[condition.operator], condition.value
    if condition.operator == "in":
        return f"{condition.field} {operator} {', '.join(map(value_text, value))}"
    return f"{condition.field} {operator} {value_text(value)}"


def read_filters(args: MultiDict[str, str]) -> Filters:
    """Read the filters from the query string, and the condition that the form adds.

    Raises:
        BadParameter: a filter is invalid.
    """
    where = [_condition(text) for text in checked_texts("where", args.getlist("where"), MAX_WHERE)]
    if added := _added_condition(args):
        where.append(added)
    who = checked("who", args.get("who", ""))
    if who and who not in WHO_WORDS:
        raise BadParameter(f"“who” must be one of {', '.join(WHO_WORDS)}, not “{who}”.")
    return Filters(
        checked("type", args.get("type", "")),
        tuple({str(condition): condition for condition in where}.values()),
        next((each for each in WHO_WORDS if each == who), None),
    )


def _condition(text: str) -> Condition:
    try:
        (condition,) = conditions_of(text)
    except ValueError:
        raise BadParameter(
            f"“{text}” is not a filter. Write property=value, or compare with !=, <, <=, >, >=."
        ) from None
    return condition


def _added_condition(args: MultiDict[str, str]) -> Condition | None:
    """Return the condition that the form adds; None if its fields are empty."""
    name, operator, value = (checked(field, args.get(field, "")) for field in ADDED)
    if not name:
        if value:
            raise BadParameter(f"Choose the property that is to be “{value}”.")
        return None
    try:
        condition = _condition(f"{name}{operator or '='}{value}")
        is_as_typed = (condition.field, condition.operator) == (name, operator or "=")
    except BadParameter:  # such as a value with a comma, which is read as the next condition
        is_as_typed = False
    try:
        return condition if is_as_typed else Condition(name, operator or "=", value)
    except ValueError as error:
        raise BadParameter(f"This is not a filter: {error}.") from None


def properties_of(event_types: EventTypes, event_type: str = "") -> list[str]:
    """Return the declared properties of one type, or of all types. Others can be typed."""
    names: set[str] = set()
    for each in event_types.values():
        if event_type in ("", each.name):
            names.update(each.break_down, each.add_up)
            if each.schema is not None:
                fields = each.schema().dump_fields.items()
                names.update(field.data_key or name for name, field in fields)
    return sorted(names)
