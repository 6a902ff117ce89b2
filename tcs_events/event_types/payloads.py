"""What the events of the snippets say: a schema for the payload of each type.

A payload is free-form unless the host asks for a check, of these or of its own:

    create_blueprint(event_types=PAYLOAD_SCHEMAS)

`EventPayloads` in `frontend_snippets/tracking.ts` says the same in TypeScript.
"""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields, validate

CARD_CONTEXTS = ("grid", "sage_panel")
SAGE_FUNCTIONS = ("search_experts", "apply_filters")

_COUNT = validate.Range(min=0)


class PayloadSchema(Schema):
    """A payload; fields that a host adds are kept."""

    class Meta:
        unknown = INCLUDE


class CardClick(PayloadSchema):
    """The visitor clicked the card of an expert."""

    expert_id = fields.String(required=True, validate=validate.Length(min=1))
    context = fields.String(required=True, validate=validate.OneOf(CARD_CONTEXTS))


class SageQuery(PayloadSchema):
    """The visitor asked Sage, and was answered.

    An answer that only applies filters may come without a count. `result_count` is then null or
    left out, and the reports count the question as neither with nor without results.
    """

    query_text = fields.String(required=True)
    function_called = fields.String(required=True, validate=validate.OneOf(SAGE_FUNCTIONS))
    result_count = fields.Integer(strict=True, allow_none=True, validate=_COUNT)
    expert_ids = fields.List(fields.String(), required=True)
    filters = fields.Dict(keys=fields.String(), required=True)


class FilterChange(PayloadSchema):
    """The visitor changed a filter, and the list settled."""

    filter = fields.String(required=True, validate=validate.Length(min=1))
    value = fields.Raw(required=True, allow_none=True)
    filters = fields.Dict(keys=fields.String(), required=True)
    result_count = fields.Integer(required=True, strict=True, validate=_COUNT)


class CardImpression(PayloadSchema):
    """At least half of an expert's card was in view for a second. Positions count from 1."""

    expert_id = fields.String(required=True, validate=validate.Length(min=1))
    context = fields.String(required=True, validate=validate.OneOf(CARD_CONTEXTS))
    position = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))


PAYLOAD_SCHEMAS: dict[str, type[Schema]] = {
    "card_click": CardClick,
    "sage_query": SageQuery,
    "filter_change": FilterChange,
    "card_impression": CardImpression,
}
