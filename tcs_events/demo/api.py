"""The marketplace as a JSON API, for a frontend that renders the experts itself.

Like the pages in app.py, it has no code about events: the browser sends them to `/api/events`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from werkzeug.exceptions import HTTPException

from tcs_events.demo.models import Expert, experts_by_name
from tcs_events.demo.sage import understand
from tcs_events.demo.search import QUERY_MAX_LENGTH, RATE_CEILING, Search, tags_of

api_bp = Blueprint("api", __name__, url_prefix="/api")


class FiltersSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    tags = fields.List(fields.String(), load_default=list)
    rate_min = fields.Integer(strict=True, allow_none=True, load_default=None)
    rate_max = fields.Integer(strict=True, allow_none=True, load_default=None)


class QuestionSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    query = fields.String(required=True, validate=validate.Length(max=QUERY_MAX_LENGTH))
    filters = fields.Nested(FiltersSchema, load_default=lambda: FiltersSchema().load({}))


@api_bp.get("/experts")
def experts() -> dict[str, object]:
    """Return the matching experts by name: `?q=words&tags=a&tags=b&rate_min=80&rate_max=120`.

    All parameters are optional.
    """
    for bound in ("rate_min", "rate_max"):
        if request.args.get(bound) and request.args.get(bound, type=int) is None:
            # Ignoring the filter would show experts whom the visitor did not ask for.
            raise ValidationError({bound: ["Not a valid integer."]})
    found = Search.from_args(request.args).among(experts_by_name())
    return {"experts": [_as_json(expert) for expert in found], "result_count": len(found)}


@api_bp.get("/experts/filters")
def filters() -> dict[str, object]:
    """Return the values of the filters. A `rate_max` of `rate_ceiling` means any rate."""
    everybody = experts_by_name()
    return {
        "tags": tags_of(everybody),
        "rate_min": min((expert.hourly_rate for expert in everybody), default=0),
        "rate_ceiling": RATE_CEILING,
    }


@api_bp.post("/sage")
def sage() -> dict[str, object]:
    """Answer a question: `{"query": "...", "filters": {"tags": [...], "rate_max": 120}}`.

    `search_performed` is false if the words were nothing but filters.
    """
    question = QuestionSchema().load(_read_json())
    everybody = experts_by_name()
    search = understand(
        Search.of(question["query"], **question["filters"]), known_tags=tags_of(everybody)
    )
    found = search.among(everybody)
    return {
        "answer": search.answer(found),
        "search_performed": search.has_words,
        "result_count": len(found),
        "experts": [_as_json(expert) for expert in found],
    }


@api_bp.errorhandler(ValidationError)
def refuse_invalid(error: ValidationError) -> ResponseReturnValue:
    return {"errors": error.messages}, 422


@api_bp.errorhandler(HTTPException)
def refuse(error: HTTPException) -> ResponseReturnValue:
    return {"errors": {"_schema": [error.description]}}, error.code or 500


def _read_json() -> Any:
    try:
        return request.get_json(force=True)
    except RecursionError:  # thousands of brackets; Flask does not handle this error of its parser
        abort(400, "The body is nested too deeply.")


def _as_json(expert: Expert) -> dict[str, object]:
    return {
        "username": expert.username,
        "name": expert.name,
        "title": expert.title,
        "bio": expert.bio,
        "tags": expert.tags,
        "hourly_rate": expert.hourly_rate,
        "hue": expert.hue,
    }
