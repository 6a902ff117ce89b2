"""Schemas for the payloads of the events that the snippets send."""

from tcs_events.event_types.payloads import (
    CARD_CONTEXTS,
    PAYLOAD_SCHEMAS,
    SAGE_FUNCTIONS,
    CardClick,
    CardImpression,
    FilterChange,
    PayloadSchema,
    SageQuery,
)

__all__ = [
    "CARD_CONTEXTS",
    "PAYLOAD_SCHEMAS",
    "SAGE_FUNCTIONS",
    "CardClick",
    "CardImpression",
    "FilterChange",
    "PayloadSchema",
    "SageQuery",
]
