"""What a host's event types mean for the counts: roles, properties, and the first funnel."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from zlib import crc32

from tcs_events.counts.conditions import Condition
from tcs_events.counts.properties import (
    NOTHING_DECLARED,
    DeclaredProperties,
    declared_properties,
)
from tcs_events.counts.steps import Step
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.marketplace import MARKETPLACE, roles_of
from tcs_events.event_types.roles import Click, Roles, Search, fields_of

RULES_VERSION = 6
"""The version of the counting rules. If it changes, everything is counted again."""
_ROLES_FROM, _ROLES_COUNT = 1_000_000, 1_000_000


class Meaning(NamedTuple):
    """What the counts of a database depend on, besides its events and the time zone."""

    roles: Roles
    default_funnel: tuple[Step, ...]
    """The funnel that the dashboard shows at first. It is always counted, and never deleted."""
    declared: DeclaredProperties = NOTHING_DECLARED
    """The properties that are counted per day."""

    @property
    def version(self) -> int:
        """The version of the counts.

        If a role or a declared property changes, it differs, and all is counted again.
        """
        counted = _counted(self.roles)
        if self.declared:
            counted = {"roles": counted, "declared": self.declared}
        elif counted == _counted(_MARKETPLACE_ROLES):
            return RULES_VERSION
        digest = crc32(json.dumps(counted, sort_keys=True).encode())
        return RULES_VERSION * _ROLES_FROM + digest % _ROLES_COUNT


def _counted(roles: Roles) -> dict[str, Any]:
    """Return what the roles say to the counts. Their word for an item says nothing."""
    return {name: (type(role).__name__, fields_of(role)) for name, role in roles.items()}


def meaning_of(event_types: EventTypes) -> Meaning:
    """Return what the event types of a host mean."""
    return Meaning(
        roles_of(event_types), _default_funnel(event_types), declared_properties(event_types)
    )


def _default_funnel(event_types: EventTypes) -> tuple[Step, ...]:
    """Return the first search with results and the first click, else the first two types."""
    searches = [
        (name, each.role) for name, each in event_types.items() if isinstance(each.role, Search)
    ]
    clicks = [name for name, each in event_types.items() if isinstance(each.role, Click)]
    if not searches or not clicks:
        return tuple(Step(name) for name in list(event_types)[:2])
    name, role = searches[0]
    count = role.result_count
    found = () if count is None else (Condition(count, ">", 0),)
    return Step(name, found), Step(clicks[0])


_MARKETPLACE_ROLES = roles_of(MARKETPLACE)
MARKETPLACE_MEANING = meaning_of(MARKETPLACE)
"""The meaning of the event types that are accepted by default."""
