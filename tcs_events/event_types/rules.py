"""What the validators of a field say about its values, as plain JSON."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from marshmallow import fields, validate

Json = dict[str, Any]
Field: TypeAlias = "fields.Field[Any]"


def all_rules(rules: Iterable[Callable[..., Any]]) -> list[Any]:
    """Return the validators of a field, those within an `And` as well."""
    flat: list[Any] = []
    for rule in rules:
        flat += all_rules(rule.validators) if type(rule) is validate.And else [rule]
    return flat


def add_rule(described: Json, rule: Any, each: Field) -> None:
    """Add what a validator says to the description of a value.

    A validator that is not one of marshmallow's own is only named.
    """
    kind = type(rule)
    if kind is validate.Length:
        low, high = (rule.min, rule.max) if rule.equal is None else (rule.equal, rule.equal)
        _narrow(described, "length", at_least=low, at_most=high)
    elif kind is validate.Range:
        low = "at_least" if rule.min_inclusive else "above"
        high = "at_most" if rule.max_inclusive else "below"
        _narrow(described, "range", **{low: rule.min, high: rule.max})
    elif kind is validate.Equal:
        _one_of(described, [rule.comparable], each)
    elif kind is validate.OneOf and not isinstance(rule.choices, str):
        _one_of(described, list(rule.choices), each)
    elif kind is validate.ContainsOnly and described["kind"] == "list":
        _one_of(described["items"], list(rule.choices), each)
    elif kind in (validate.NoneOf, validate.ContainsNoneOf):
        described.setdefault("none_of", []).extend(map(_as_text, rule.iterable))
    elif kind is validate.Regexp:
        described.setdefault("patterns", []).append(_as_text(rule.regex.pattern))
    elif kind is validate.Email:
        described["format"] = "email"
    elif kind is validate.URL:
        described["format"] = "url"
        described["schemes"] = sorted(rule.schemes)
        described["relative"] = bool(rule.relative)
        described["needs_domain"] = bool(rule.require_tld)
    else:
        name = getattr(rule, "__qualname__", type(rule).__qualname__)
        described.setdefault("own_rules", []).append(name.rpartition("<locals>.")[2])


def _narrow(described: Json, rule: str, **bounds: Any) -> None:
    """Add bounds to a rule. The tighter of two holds."""
    known = described.setdefault(rule, {})
    for name, bound in bounds.items():
        if bound is not None:
            value = _bound(bound)
            tighter = max if name in ("at_least", "above") else min
            known[name] = tighter(known[name], value) if name in known else value


def _bound(bound: Any) -> Any:
    if isinstance(bound, decimal.Decimal):
        return float(bound)
    if isinstance(bound, datetime.timedelta):
        return bound.total_seconds()
    return plain(bound) if is_literal(bound) else _as_text(bound)


_LITERALS: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "any": (str, int, float, bool),
}


def _one_of(described: Json, choices: list[Any], each: Field) -> None:
    """Add the only values that a rule lets through.

    The rule sees the loaded value. Where that is not what JSON has, such as a date, the choices are
    only kept as texts, to be compared with those of another release.
    """
    if isinstance(each, fields.Enum):
        choices = [
            plain(choice.value) if each.by_value else choice.name
            for choice in choices
            if isinstance(choice, each.enum)
        ]
    takes = _LITERALS.get(described["kind"], ())
    is_sent = takes and "format" not in described and not _has_own_truth(described)
    if not is_sent or not all(map(is_literal, choices)):
        described["one_of_loaded"] = sorted(map(_as_text, choices))
        return
    choices = [
        plain(choice)
        for choice in choices
        if isinstance(choice, takes) and (bool in takes or not isinstance(choice, bool))
    ]
    known = described.get("one_of", choices)
    described["one_of"] = [choice for choice in choices if choice in known]


def _has_own_truth(described: Json) -> bool:
    return described["kind"] == "boolean" and "one_of" in described


def is_literal(value: object) -> bool:
    """Return whether JSON and TypeScript can hold a value as it is."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def plain(value: Any) -> Any:
    """Return a text or number as itself, also if it is the member of an enum."""
    for kind in (bool, str, int, float):
        if isinstance(value, kind):
            return str.__str__(value) if kind is str else kind(value)
    return value


def _as_text(value: object) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
