"""Roles: what an event type means for the reports, and which payload field says what.

The reports know no event type by its name. They ask for the searches, the clicks, the impressions
and the changes of filters, and a host says which of its event types these are. Several types may
have the same role.

A role that is about items may have the host's word for one. Reports and pages say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tcs_events.errors import ConfigError

WORD_MAX_LENGTH = 40


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
    word: str | tuple[str, str] | None = None
    """The word for an item: `"room"`. If its plural is not regular, both: `("person", "people")`.
    A role without one takes that of the others."""

    def __post_init__(self) -> None:
        check_word(self.word)


@dataclass(frozen=True, slots=True)
class Click:
    """The visitor opened an item: a room, an article, a person."""

    item: str
    """The field with the item's id."""
    context: str | None = None
    """The field that says where it was clicked, a text."""
    word: str | tuple[str, str] | None = None
    """The word for an item, as in `Search`."""

    def __post_init__(self) -> None:
        check_word(self.word)


@dataclass(frozen=True, slots=True)
class Impression:
    """An item was in the visitor's view."""

    item: str
    """The field with the item's id."""
    context: str | None = None
    """The field that says where it was, a text."""
    position: str | None = None
    """The field with its place among the others, from 1."""
    word: str | tuple[str, str] | None = None
    """The word for an item, as in `Search`."""

    def __post_init__(self) -> None:
        check_word(self.word)


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
    names = (field.name for field in fields(role) if field.name != "word")
    named = ((name, getattr(role, name)) for name in names)
    return {name: value for name, value in named if value is not None}


def check_word(word: object) -> None:
    """Check that texts can say this word.

    Raises:
        ConfigError: it is not one or two short texts.
    """
    words = word if isinstance(word, tuple) else ("item" if word is None else word,)
    if len(words) > 2 or not words or not all(map(_is_word, words)):
        raise ConfigError(
            f"A role has the word {word!r}. Write the word for one item, such as 'room', or that"
            " and its plural, such as ('person', 'people'). Each has at most"
            f" {WORD_MAX_LENGTH} characters."
        )


def _is_word(word: object) -> bool:
    return (
        isinstance(word, str)
        and 0 < len(word) <= WORD_MAX_LENGTH
        and word.isprintable()
        and word == word.strip()
    )


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
