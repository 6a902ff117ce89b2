"""Roles: what an event type means for the reports, and which payload field says what.

The reports know no event type by its name. They ask for the searches, the clicks, the impressions
and the changes of filters, and a host says which of its event types these are. Several types may
have the same role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Search:
    """The visitor searched, and results arrived."""

    query: str
    """The field with what was asked for, a text."""
    result_count: str | None = None
    """The field with the number of results, a whole number."""
    item_ids: str | None = None
    """The field with the ids of the results, a list, the best first."""
    filters: str | None = None
    """The field with the active filters, an object of their values by name."""


@dataclass(frozen=True, slots=True)
class Click:
    """The visitor opened an item: a room, an article, a person."""

    item: str
    """The field with the item's id."""
    context: str | None = None
    """The field that says where it was clicked, a text."""


@dataclass(frozen=True, slots=True)
class Impression:
    """An item was in the visitor's view."""

    item: str
    """The field with the item's id."""
    context: str | None = None
    """The field that says where it was, a text."""
    position: str | None = None
    """The field with its place among the others, from 1."""


@dataclass(frozen=True, slots=True)
class FilterChange:
    """The visitor changed a filter, and the new results arrived."""

    filter: str
    """The field with the filter's name."""
    value: str
    """The field with what it was set to, any JSON value."""
    filters: str | None = None
    """The field with all active filters afterwards, an object of their values by name."""
    result_count: str | None = None
    """The field with the number of results, a whole number."""


Role = Search | Click | Impression | FilterChange
Roles = Mapping[str, Role]
"""Roles by event type."""


def fields_of(role: Role) -> dict[str, str]:
    """Return the payload fields that a role names, by the role's own name for each."""
    named = ((field.name, getattr(role, field.name)) for field in fields(role))
    return {name: value for name, value in named if value is not None}


def values_of(role: Role, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a payload by the role's own names. A field that is not there is None."""
    get = payload.get
    match role:
        case Search():
            return {
                "query": get(role.query),
                "result_count": _get(payload, role.result_count),
                "item_ids": _get(payload, role.item_ids),
                "filters": _get(payload, role.filters),
            }
        case Click():
            return {"item": get(role.item), "context": _get(payload, role.context)}
        case Impression():
            return {"item": get(role.item)}
        case FilterChange():
            return {
                "filter": get(role.filter),
                "value": get(role.value),
                "filters": _get(payload, role.filters),
                "result_count": _get(payload, role.result_count),
            }


def _get(payload: Mapping[str, Any], field: str | None) -> Any:
    return None if field is None else payload.get(field)
