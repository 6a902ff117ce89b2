"""Where a row of a ranking leads to: the page Explore, with the events that the row has counted.

A ranking counts events by their role, and Explore shows one event type. So its rows lead nowhere if
several of the host's event types have the role.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tcs_events.counts.conditions import Condition
from tcs_events.counts.filters import settings_text
from tcs_events.counts.tables import NAME_MAX_LENGTH
from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.filters import MAX_WHERE
from tcs_events.dashboard.parameters import PARAMETER_MAX_LENGTH
from tcs_events.dashboard.table import Target
from tcs_events.event_types.roles import Click, FilterChange, Role, Search


def clicks_of(item: str, asked: Asked) -> Target | None:
    """Return where the clicks on an item are, by their context; None for nowhere."""
    event_type, role = _only(Click, asked)
    if not isinstance(role, Click):
        return None
    return _explore(event_type, {role.item: item}, role.context, asked)


def searches_of(query: str, asked: Asked) -> Target | None:
    """Return where the searches for a query are, in all its spellings, by what they found."""
    event_type, role = _only(Search, asked)
    if not isinstance(role, Search):
        return None
    return _explore(event_type, {role.query: query}, role.result_count, asked)


def changes_of(name: str, value: Any, asked: Asked) -> Target | None:
    """Return where a filter was set to a value, by how much was left; None for nowhere."""
    event_type, role = _only(FilterChange, asked)
    if not isinstance(role, FilterChange) or _is_cut(value) or _has_order(value):
        return None
    return _explore(event_type, {role.filter: name, role.value: value}, role.result_count, asked)


def combination_of(filters: Any, asked: Asked) -> Target | None:
    """Return where just these filters were on, by how much was left; None for nowhere."""
    event_type, role = _only(FilterChange, asked)
    if not isinstance(role, FilterChange) or role.filters is None or not isinstance(filters, dict):
        return None
    if _has_order(filters):
        return None
    return _explore(event_type, {role.filters: filters}, role.result_count, asked)


def _has_order(value: Any) -> bool:
    """Return whether a value has a list of several values. Counts leave out their order."""
    if isinstance(value, dict):
        return any(map(_has_order, value.values()))
    return isinstance(value, list) and len(value) > 1


def _only(kind: type[Role], asked: Asked) -> tuple[str, Role | None]:
    """Return the one event type of the host that has such a role; no role if there are several."""
    types = asked.reports.settings.event_types.values()
    having = [each for each in types if isinstance(each.role, kind)]
    return (having[0].name, having[0].role) if len(having) == 1 else ("", None)


def _is_cut(value: Any) -> bool:
    """Return whether the counts have only the beginning of a value, so no condition can name it."""
    return isinstance(value, str) and len(settings_text(value)) >= NAME_MAX_LENGTH


def _explore(
    event_type: str, values: Mapping[str, Any], by: str | None, asked: Asked
) -> Target | None:
    """Return Explore with the visits whose events have these values, besides the filters.

    Conditions on another event type are left out.
    """
    try:
        texts = [str(Condition(name, "=", value)) for name, value in values.items()]
    except ValueError:  # such as a property with brackets in its name
        return None
    is_same = asked.filters.event_type in ("", event_type)
    where = [*dict.fromkeys([*map(str, asked.filters.where if is_same else ()), *texts])]
    if len(where) > MAX_WHERE or any(len(text) > PARAMETER_MAX_LENGTH for text in texts):
        return None
    return "explore", {"type": event_type, "where": where, "by": by, "measure": "visits"}
