"""The event types of an expert marketplace, which are accepted unless a host declares its own."""

from __future__ import annotations

from tcs_events.event_types.event_type import EventType, EventTypes
from tcs_events.event_types.roles import Click, FilterChange, Impression, Role, Roles, Search

WORD = "expert"
NAMES = {"item_id": "expert_id", "items": "experts"}
"""What programs call an item where the word is `WORD`. Files and JSON have always had these names,
and programs of others read them."""

CARD_CLICK = EventType(
    "card_click",
    role=Click(item="expert_id", context="context", word=WORD),
    help="The visitor clicked the card of an expert.",
)
SAGE_QUERY = EventType(
    "sage_query",
    role=Search(
        query="query_text",
        result_count="result_count",
        item_ids="expert_ids",
        filters="filters",
        word=WORD,
    ),
    help="The visitor asked Sage, and an answer arrived.",
)
FILTER_CHANGE = EventType(
    "filter_change",
    role=FilterChange(
        filter="filter", value="value", filters="filters", result_count="result_count"
    ),
    help="The visitor changed a filter, and the new results arrived.",
)
CARD_IMPRESSION = EventType(
    "card_impression",
    role=Impression(item="expert_id", context="context", position="position", word=WORD),
    help="At least half of an expert's card was in view for a second.",
)
DEFAULT_EVENT_TYPES = (CARD_CLICK, SAGE_QUERY, FILTER_CHANGE)
"""What is accepted if `TCS_EVENTS_EVENT_TYPES` is not set. Any payload is."""
MARKETPLACE: EventTypes = {
    event_type.name: event_type for event_type in (*DEFAULT_EVENT_TYPES, CARD_IMPRESSION)
}


def has_role(event_types: EventTypes, *roles: type[Role]) -> bool:
    """Return whether a host has declared an event type with one of these roles."""
    return any(isinstance(each.role, roles) for each in event_types.values())


def says_what_was_returned(event_types: EventTypes) -> bool:
    """Return whether a search of the host says which items it returned."""
    roles = (each.role for each in event_types.values())
    return any(isinstance(role, Search) and role.item_ids is not None for role in roles)


def roles_of(event_types: EventTypes) -> Roles:
    """Return the roles by event type.

    The marketplace's types have their roles even if they are not declared, so that their events are
    still counted after a host has stopped accepting them.
    """
    roles: dict[str, Role | None] = {name: each.role for name, each in MARKETPLACE.items()}
    roles |= {name: each.role for name, each in event_types.items()}
    return {name: role for name, role in roles.items() if role is not None}
