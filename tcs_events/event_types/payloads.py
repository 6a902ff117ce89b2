"""The payloads of the snippets' events: a schema for each type.

A payload is free-form unless the host asks for a check, with these schemas or its own:

    create_blueprint(event_types=PAYLOAD_SCHEMAS)

`EventPayloads` in `frontend_snippets/tracking.ts` is made from them.
"""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields, validate

from tcs_events.event_types.marketplace import (
    CARD_CLICK,
    CARD_IMPRESSION,
    FILTER_CHANGE,
    SAGE_QUERY,
)

CARD_CONTEXTS = ("grid", "sage_panel")
SAGE_FUNCTIONS = ("search_experts", "apply_filters")

_COUNT = validate.Range(min=0)
_UNKNOWN_COUNT = "Null or left out where the answer does not say, as when it only applied filters."


class PayloadSchema(Schema):
    """A payload. Fields that a host adds are kept."""

    class Meta:
        unknown = INCLUDE


class CardClick(PayloadSchema):
    """The visitor clicked the card of an expert."""

    expert_id = fields.String(required=True, validate=validate.Length(min=1))
    context = fields.String(required=True, validate=validate.OneOf(CARD_CONTEXTS))


class SageQuery(PayloadSchema):
    """The visitor asked Sage, and an answer arrived.

    `result_count` is null or left out if the count is not known, as when an answer only applies
    filters. Reports then count the query as neither with nor without results.
    """

    query_text = fields.String(required=True)
    function_called = fields.String(required=True, validate=validate.OneOf(SAGE_FUNCTIONS))
    result_count = fields.Integer(
        strict=True, allow_none=True, validate=_COUNT, metadata={"description": _UNKNOWN_COUNT}
    )
    expert_ids = fields.List(fields.String(), required=True)
    filters = fields.Dict(keys=fields.String(), required=True)


class FilterChange(PayloadSchema):
    """The visitor changed a filter, and the new results arrived."""

    filter = fields.String(required=True, validate=validate.Length(min=1))
    value = fields.Raw(required=True, allow_none=True)
    filters = fields.Dict(keys=fields.String(), required=True)
    result_count = fields.Integer(required=True, strict=True, validate=_COUNT)


class CardImpression(PayloadSchema):
    """At least half of an expert's card was in view for a second. `position` starts at 1."""

    expert_id = fields.String(required=True, validate=validate.Length(min=1))
    context = fields.String(required=True, validate=validate.OneOf(CARD_CONTEXTS))
    position = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))


PAYLOAD_SCHEMAS: dict[str, type[Schema]] = {
    CARD_CLICK.name: CardClick,
    SAGE_QUERY.name: SageQuery,
    FILTER_CHANGE.name: FilterChange,
    CARD_IMPRESSION.name: CardImpression,
}
