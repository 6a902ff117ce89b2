"""The OpenAPI 3.1 document of the endpoint, made from the schemas that check the events.

https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from tcs_events.errors import MAX_DETAILS, NOT_ALLOWED, REQUIRED, TYPE, UNPLANNED
from tcs_events.event_types.event_type import EventType, EventTypes
from tcs_events.event_types.schemas import EventSchema, IdentitySchema
from tcs_events.faces.cacheable import Cacheable
from tcs_events.faces.json_schema import JsonSchema, json_schema
from tcs_events.faces.routes import template, variables
from tcs_events.host import registration_of
from tcs_events.host.mounted import mounted_routes
from tcs_events.intake.answers import MARK
from tcs_events.settings import Settings
from tcs_events.strict_json import MAX_NUMBER

API_VERSION = "1"
"""The version of the HTTP interface, which is not the version of the package."""

_NO_NUL = "^[^\\u0000]*$"
_COUNT: JsonSchema = {"type": "integer", "minimum": 0}
_MARKED = {MARK[0]: {"$ref": "#/components/headers/Mark"}}
_MARKED_RETRY = _MARKED | {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
_OTHER_FIELDS: JsonSchema = {
    "propertyNames": {"pattern": _NO_NUL},
    "additionalProperties": {"$ref": "#/components/schemas/Value"},
}
"""Unknown fields are ignored, but like everything in a body they must be storable."""

JsonObject = dict[str, Any]
"""A part of the document."""

MAX_MOUNTS = 16
"""How many mounts of one app have a cached document. Behind a trusted proxy the mount comes from a
header, so there may be any number."""


class KeptDocument:
    """The document of one app, built once and cached for each path where the app is mounted."""

    def __init__(self, app: Flask) -> None:
        registration = registration_of(app)
        app_document = document(mounted_routes(app), registration.settings)
        self._text_at = lru_cache(MAX_MOUNTS)(lambda mount: _text(app_document, mount))

    def at(self, mount: str) -> Cacheable:
        """Return the document for an app that is mounted at this path."""
        return self._text_at(mount)


# Weak keys, so that the document of an app goes with the app.
_documents: WeakKeyDictionary[Flask, KeptDocument] = WeakKeyDictionary()


def document_of(app: Flask) -> KeptDocument:
    """Return the document of an app that has registered the blueprint."""
    if app not in _documents:
        _documents[app] = KeptDocument(app)
    return _documents[app]


def _text(app_document: JsonObject, mount: str) -> Cacheable:
    text = json.dumps(app_document | _servers(mount))
    return Cacheable(text.encode(), "application/json")


def document(
    routes: Iterable[tuple[str, Rule]], settings: Settings, mounted_at: str = ""
) -> JsonObject:
    """Return the OpenAPI document of some of our routes.

    Args:
        routes: the name and rule of each route, as `Registration.routes` returns them.
        settings: the allowed event types, and the limits of a request.
        mounted_at: the path where the app itself is mounted.
    """
    operations = _operations()
    paths: JsonObject = {}
    for name, rule in routes:
        operation = operations.get(name)
        if operation is not None:
            paths[template(rule)] = operation | _path_parameters(rule)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "tcs_events",
            "version": API_VERSION,
            "description": "Stores what visitors do, and answers 202 once it is safely stored.",
        },
        **_servers(mounted_at),
        "paths": paths,
        "components": {
            "schemas": _schemas(settings),
            "responses": _responses(settings),
            "headers": {
                "RetryAfter": {
                    "description": "How many seconds to wait before a retry.",
                    "schema": {"type": "integer", "minimum": 0},
                    "required": True,
                },
                "ETag": {
                    "description": "The version of the content.",
                    "schema": {"type": "string"},
                },
                "Mark": {
                    "description": "On every answer of this endpoint. An answer without it comes"
                    " from something in between, such as a proxy: keep the event and send it again"
                    " later.",
                    "schema": {"type": "string", "const": MARK[1]},
                    "required": True,
                },
            },
        },
    }


def _servers(mount: str) -> JsonObject:
    return {"servers": [{"url": mount.rstrip("/") or "/"}]}


def _path_parameters(rule: Rule) -> JsonObject:
    text = {"type": "string"}
    named = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in variables(rule)
    ]
    return {"parameters": named} if named else {}


def _operations() -> JsonObject:
    """Return what each view does, by the name of its route."""
    script = {"text/javascript": {"schema": {"type": "string"}}}
    version = _query("v", "The version that the page's tag asks for.")
    return {
        "collect": _post("collect", "Store one event", "Event", _accepted("Accepted")),
        "collect_batch": _post(
            "collectBatch",
            "Store many events in one transaction, and list the refused ones",
            "Batch",
            _accepted("BatchAnswer"),
            none_good="BatchAnswer",
        ),
        "identify": _post(
            "identify", "Link a session to an e-mail address", "Identity", _accepted("Accepted")
        ),
        "tracker": _get("tracker", "The tracker", _kept(script), [version]),
        "client": _get(
            "client",
            "The tracker, at an address that ad blockers have no rule for",
            _kept(script),
            [version],
        ),
        "openapi": _get("openapi", "This document", _kept(_json({"type": "object"}))),
        "health": _get(
            "health",
            "Whether events can be stored",
            {
                "200": _answer("Events can be stored.", _schema("Health")),
                "503": _answer(
                    "Events cannot be stored. The answer says why.",
                    _schema("Health"),
                    _MARKED_RETRY,
                ),
            },
        ),
    }


def _post(
    name: str,
    summary: str,
    body: str,
    accepted: JsonObject,
    none_good: str | None = None,
) -> JsonObject:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {
                "required": True,
                "description": "JSON in UTF-8, with any Content-Type.",
                "content": _json(_schema(body)),
            },
            "responses": {
                "202": accepted,
                "405": _response("MethodNotAllowed"),
                "413": _response("TooLarge"),
                "415": _response("Encoded"),
                "422": _response("NoneGood" if none_good else "Invalid"),
                "429": _response("Limited"),
                "503": _response("Unavailable"),
            },
        }
    }


def _get(
    name: str, summary: str, answers: JsonObject, parameters: list[JsonObject] | None = None
) -> JsonObject:
    operation = {
        "operationId": name,
        "summary": summary,
        "responses": answers | {"405": _response("MethodNotAllowed")},
    }
    return {"get": operation | ({"parameters": parameters} if parameters else {})}


def _kept(content: JsonObject) -> JsonObject:
    """Return the answers with a document that a client may keep, as its ETag says."""
    return {
        "200": {
            "description": "The newest version.",
            "headers": _MARKED | {"ETag": {"$ref": "#/components/headers/ETag"}},
            "content": content,
        },
        "304": {"description": "The client already has this version.", "headers": _MARKED},
    }


def _answer(description: str, schema: JsonSchema, headers: JsonObject = _MARKED) -> JsonObject:
    return {"description": description, "headers": headers, "content": _json(schema)}


def _accepted(schema: str) -> JsonObject:
    return _answer(
        "Safely stored, now or before. Or ignored, and the answer says why.",
        {"anyOf": [_schema(schema), _schema("Ignored")]},
    )


def _responses(settings: Settings) -> JsonObject:
    errors, invalid = _schema("Errors"), _schema("Invalid")
    return {
        "Invalid": _answer("Refused for good: a retry cannot succeed.", invalid),
        "NoneGood": _answer(
            "Not a batch, or all of its events are refused for good.",
            {"anyOf": [_schema("BatchAnswer"), invalid]},
        ),
        "MethodNotAllowed": _answer(
            "This route takes another method.",
            errors,
            _MARKED | {"Allow": {"schema": {"type": "string"}, "required": True}},
        ),
        "TooLarge": _answer(f"The body is longer than {settings.max_body_bytes} bytes.", errors),
        "Encoded": _answer("The body is compressed.", errors),
        "Limited": _answer(
            "Too many events: keep the event and send it again later.", errors, _MARKED_RETRY
        ),
        "Unavailable": _answer(
            "Not stored this time: keep the event and send it again later.", errors, _MARKED_RETRY
        ),
    }


def _schemas(settings: Settings) -> JsonObject:
    messages = {"type": "array", "items": {"type": "string"}}
    return {
        "Event": _event(settings.event_types),
        "Batch": {
            "type": "object",
            "required": ["events"],
            "properties": {
                "events": {
                    "type": "array",
                    "items": _schema("Event"),
                    "minItems": 1,
                    "maxItems": settings.max_batch_events,
                }
            },
        },
        "Identity": json_schema(IdentitySchema()) | _OTHER_FIELDS,
        "Value": _value(),
        "Accepted": _object({"status": {"const": "accepted"}}),
        "Ignored": _object({"status": {"const": "ignored"}, "reason": {"type": "string"}}, True),
        "BatchAnswer": _object(
            {
                "accepted": _COUNT,
                "duplicates": _COUNT,
                "rejected": {"type": "array", "items": _schema("Rejected")},
            }
        ),
        "Rejected": _object(
            {"index": _COUNT, "errors": _schema("Messages"), "details": _schema("Details")}
        ),
        "Invalid": _object({"errors": _schema("Messages"), "details": _schema("Details")}),
        "Errors": _object({"errors": _schema("Messages")}),
        "Health": _health(),
        "Details": {
            "type": "array",
            "description": "The same messages as a list, each with the path of its field, such as"
            " `payload.rooms[2].price`, and a code that stays when the wording changes.",
            "maxItems": MAX_DETAILS,
            "items": _object(
                {
                    "path": {"type": "string"},
                    "code": {"enum": [REQUIRED, TYPE, NOT_ALLOWED, UNPLANNED]},
                    "message": {"type": "string"},
                }
            ),
        },
        "Messages": {
            "type": "object",
            "description": "Messages by field, nested like the fields; `_schema` is for the whole.",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [messages, _schema("Messages")]},
        },
    }


def _health() -> JsonSchema:
    milliseconds = {"type": ["integer", "null"], "minimum": 0}
    counts = {"type": "object", "additionalProperties": _COUNT}
    words = {name: {"type": "string"} for name in ("key", "problem", "remedy")}
    latency = {"p50": milliseconds, "p99": milliseconds, "requests_up_to": counts}
    status = {
        "status": {"enum": ["ok", "failing"]},
        "problems": {"type": "array", "items": _object(words)},
    }
    counters = _object(
        {
            "requests": _COUNT,
            "received": _COUNT,
            "events": counts,
            "reasons": {"type": "object", "additionalProperties": counts},
            "identities": counts,
            "notes": counts,
            "queue": _object({"events": _COUNT, "bytes": _COUNT}),
            "latency_ms": _object(latency),
        }
    )
    return {
        "description": "Only those whom the host lets in see the counts.",
        "type": "object",
        "required": list(status),
        "properties": status | counters["properties"],
        "additionalProperties": False,
    }


def _event(event_types: EventTypes) -> JsonSchema:
    """Return the schema of an event: a variant for each payload schema, and one for all others."""
    envelope = json_schema(EventSchema()) | _OTHER_FIELDS
    free_form = [each for each in event_types.values() if each.schema is None]
    variants = [
        _variant(envelope, same, None)
        for is_deprecated in (False, True)
        if (same := [each for each in free_form if each.deprecated == is_deprecated])
    ]
    variants += [
        _variant(envelope, [each], each.schema())
        for each in event_types.values()
        if each.schema is not None
    ]
    return variants[0] if len(variants) == 1 else {"anyOf": variants}


def _variant(envelope: JsonSchema, types: list[EventType], payload: Schema | None) -> JsonSchema:
    names = [event_type.name for event_type in types]
    meanings = " ".join(f"{each.name}: {each.help}" for each in types if each.help)
    payload_schema = _strict({"type": "object"} if payload is None else json_schema(payload))
    properties = envelope["properties"] | {
        "event_type": {"type": "string", "enum": names}
        | ({"description": meanings} if meanings else {}),
        "payload": payload_schema,
    }
    # A payload that is left out is checked as {}, which lacks the required fields.
    required = envelope["required"]
    if payload is not None and any(field.required for field in payload.load_fields.values()):
        required = [*required, "payload"]
    is_deprecated = {"deprecated": True} if all(each.deprecated for each in types) else {}
    return envelope | {"properties": properties, "required": required} | is_deprecated


def _strict(schema: JsonSchema) -> JsonSchema:
    """Narrow a schema: what it leaves open must be storable."""
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if not schema.keys() - {"title", "description", "examples", "deprecated", "default"}:
        return schema | _schema("Value")
    if "object" in kinds:
        inner = schema.get("additionalProperties", {})
        schema = schema | {
            "properties": {
                name: _strict(field) for name, field in schema.get("properties", {}).items()
            },
            "propertyNames": {"pattern": _NO_NUL} | schema.get("propertyNames", {}),
            "additionalProperties": inner if inner is False else _strict(inner),
        }
    if "array" in kinds:
        schema = schema | {"items": _strict(schema.get("items", {}))}
    # An enum, a pattern or a format says more than this pattern.
    if "string" in kinds and not schema.keys() & {"enum", "pattern", "format"}:
        schema = schema | {"pattern": _NO_NUL}
    if "integer" in kinds or "number" in kinds:
        # In this order, the bounds of the schema win.
        schema = {"minimum": -MAX_NUMBER, "maximum": MAX_NUMBER} | schema
    return schema


def _value() -> JsonSchema:
    """Return the schema of a storable value: every reader of the stored row reads the same."""
    return {
        "description": "Any JSON value, nested at most 32 levels deep.",
        "anyOf": [
            {"type": ["null", "boolean"]},
            {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
            {"type": "string", "pattern": _NO_NUL},
            {"type": "array", "items": _schema("Value")},
            {
                "type": "object",
                "propertyNames": {"pattern": _NO_NUL},
                "additionalProperties": _schema("Value"),
            },
        ],
    }


def _object(properties: JsonObject, more: bool = False) -> JsonSchema:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return schema if more else schema | {"additionalProperties": False}


def _query(name: str, meaning: str) -> JsonObject:
    return {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}


def _json(schema: JsonSchema) -> JsonObject:
    return {"application/json": {"schema": schema}}


def _schema(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _response(name: str) -> JsonObject:
    return {"$ref": f"#/components/responses/{name}"}
